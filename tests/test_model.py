"""The whole model: the authors' forward pass and training steps, gradients, order of frames and objects."""

import functools
from typing import NamedTuple

import numpy as np
import pytest
import torch

from pig_core.build import build_model
from pig_core.config import make_config
from pig_core.model import image_loss, to_video, video_losses
from pig_core.stages import joint_stage
from pig_core.tasks import TASKS
from pig_core.training import Session, run_stage
from pig_lab.studies.plain import PlainPAIG

from .authors import authors_logs, load_authors_variables
from .conftest import golden


class Bounds(NamedTuple):
    """How close our numbers come to the authors'. Every bound is about three times what was measured.

    Measured on one x86 machine with the kernels of AVX2, AVX and SSE4.1: they round differently, and after some steps
    gradients close to zero, whose sign RMSProp follows, make that visible. The reference itself is in float32.
    """

    rollout: float  # of predicted states and frames, relative; measured 4e-7, 7e-6, 1e-6, 6e-7
    losses: dict[int, float]  # of the losses before each of the first so many steps, relative
    constants: float  # of the logarithms of the constants after twelve steps, absolute; measured -, 3e-6, 9e-5, 8e-7
    bfloat16: float | None  # of the losses of twelve steps, relative; measured 8e-7, 3e-5, -, 1e-4


BOUNDS = {
    "bouncing_balls": Bounds(1e-6, {12: 1e-6}, 0.0, 3e-6),  # losses measured: 2e-7
    # The untrained encoder sees two objects 0.002 pixels apart, where the spring's direction amplifies differences.
    # In float64 the losses of steps 7 and 8 are 4e-6 from the reference, whose own rounding that is: six are compared.
    "spring_color": Bounds(2e-5, {6: 1e-6, 12: 5e-5}, 1e-5, 1e-4),  # losses measured: 2e-7, 2e-5
    # A step in bfloat16 takes 20 seconds where the hardware does not have it: there the forward pass has to do.
    "mnist_spring_color": Bounds(3e-6, {2: 1e-6, 6: 2e-4, 12: 1e-2}, 3e-4, None),  # losses measured: 1e-7, 6e-5, 3e-3
    "3bp_color": Bounds(2e-6, {8: 1e-6, 12: 2e-4}, 3e-6, 5e-4),  # losses measured: 2e-7, 5e-5
}


def relative(ours, theirs):
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def paper_forward(task, vectors, precision="float32"):
    """What a model with the authors' weights makes of their batch, and its losses."""
    model = build_model(make_config(task, "paper", unet_precision=precision.replace("float64", "float32")))
    load_authors_variables(model, vectors)
    video = to_video(torch.from_numpy(vectors["batch"]))
    if precision == "float64":
        model, video = model.double(), video.double()
    with torch.no_grad():
        output = model(video)
    return output, video_losses(output, video, model.input_steps, model.pred_steps)


@pytest.mark.parametrize("task", BOUNDS)
def test_paper_forward_pass_is_the_authors(task):
    vectors = golden(f"{task}_forward_and_12_steps.npz")
    # Where differences are amplified, ours must not depend on the processor; what is left is the reference's rounding.
    output, losses = paper_forward(task, vectors, "float64" if task == "spring_color" else "float32")
    assert relative(output.positions.flatten(2).numpy(), vectors["fwd/enc_pos"]) < 1e-6  # measured: 1e-7
    assert relative(output.recons.movedim(2, -1).numpy(), vectors["fwd/recons"]) < 1e-6  # measured: 4e-7
    assert relative(output.prediction.movedim(2, -1).numpy(), vectors["fwd/output"]) < BOUNDS[task].rollout
    states = torch.cat([output.rollout.flatten(2), output.rollout_vel.flatten(2)], -1).numpy()
    assert relative(states, vectors["fwd/pos_vel"][:, 1:]) < BOUNDS[task].rollout
    for name, value in losses.items():
        assert value.item() == pytest.approx(float(vectors[f"fwd/{name}"]), rel=3e-7)  # measured: 9e-8


@pytest.mark.parametrize("task", BOUNDS)
def test_with_bfloat16_convolutions_the_forward_pass_nearly_is(task):
    """Without the prediction: where objects nearly touch, a spring turns a small difference into another direction."""
    vectors = golden(f"{task}_forward_and_12_steps.npz")
    output, losses = paper_forward(task, vectors, "bfloat16")
    difference = relative(output.positions.flatten(2).numpy(), vectors["fwd/enc_pos"])
    assert 1e-6 < difference < 1e-4  # the option does something; measured: 8e-6 to 2.4e-5
    assert relative(output.recons.movedim(2, -1).numpy(), vectors["fwd/recons"]) < 1e-4  # measured: 2e-5
    for name, value in losses.items():
        assert value.item() == pytest.approx(float(vectors[f"fwd/{name}"]), rel=1e-5)  # measured: 3e-6


@functools.cache
def twelve_steps(task, precision="float32"):
    """The model after twelve training steps from the authors' weights on the authors' batches, and its losses."""
    vectors = golden(f"{task}_forward_and_12_steps.npz")
    config = make_config(task, "paper", epochs=1, batch_size=8, anneal_lr=False, unet_precision=precision)
    model = build_model(config)
    load_authors_variables(model, vectors)
    video = torch.from_numpy(vectors["train/batches"])  # 96 sequences: twelve batches of one epoch
    session = Session()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.randperm", lambda n, generator: torch.arange(n))  # the authors' order
        patch.setattr("pig_core.training.RECORD_EVERY", 1)
        run_stage(model, config, joint_stage(model, config, video), session)
    return model, [[point["loss"], point["pred_loss"], point["recons_loss"]] for point in session.curves]


@pytest.mark.parametrize("task", BOUNDS)
def test_twelve_paper_training_steps_are_the_authors(task):
    """Pins RMSProp (accumulator from one, epsilon inside the root), clipping, the loss and its reduction."""
    vectors = golden(f"{task}_forward_and_12_steps.npz")
    model, losses = twelve_steps(task)
    assert len(losses) == max(BOUNDS[task].losses) == 12
    for steps, bound in BOUNDS[task].losses.items():
        np.testing.assert_allclose(losses[:steps], vectors["train/losses"][:steps], rtol=bound)
    assert model.decoder.log_sigma.item() == pytest.approx(float(vectors["after12/net/decoder/logsigma:0"]), abs=1e-7)
    theirs = authors_logs(vectors, "after12")
    assert sorted(theirs) == sorted(model.physics.constants)
    for name, value in theirs.items():
        assert model.physics.logs[name].item() == pytest.approx(value, abs=BOUNDS[task].constants)


@pytest.mark.parametrize("task", [task for task, bounds in BOUNDS.items() if bounds.bfloat16])
def test_with_bfloat16_convolutions_they_nearly_are(task):
    vectors = golden(f"{task}_forward_and_12_steps.npz")
    _, quick = twelve_steps(task, "bfloat16")
    _, exact = twelve_steps(task)
    assert quick != exact  # the option does something
    np.testing.assert_allclose(quick, vectors["train/losses"], rtol=BOUNDS[task].bfloat16)


@pytest.mark.parametrize("recipe", ["improved", "paper"])
@pytest.mark.parametrize("task", ["spring_color", "3bp_color"])
def test_the_loss_reaches_every_parameter(task, recipe, tiny):
    config = tiny(task, recipe)
    model = build_model(config)
    size = model.decoder.image_size
    video = torch.rand(2, 10 if task == "spring_color" else 16, 3, size, size)
    losses = video_losses(model(video), video, model.input_steps, model.pred_steps)
    (losses["pred_loss"] + losses["recons_loss"]).backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent


@pytest.mark.parametrize("velocity", ["fit", "difference_mlp", "mlp"])
def test_the_prediction_depends_on_the_input_frames_only(velocity, tiny):
    model = build_model(tiny(velocity_type=velocity))
    video = torch.rand(2, 12, 3, 32, 32)
    other = video.clone()
    other[:, model.input_steps :] = torch.rand(2, 12 - model.input_steps, 3, 32, 32)
    with torch.no_grad():
        ours, theirs = model(video), model(other)
    torch.testing.assert_close(ours.prediction, theirs.prediction)
    assert not torch.allclose(ours.recons[:, -1], theirs.recons[:, -1])


def test_losses_compare_each_frame_with_its_own_truth():
    video = torch.rand(2, 12, 3, 32, 32)

    class Perfect:
        recons, prediction = video[:, :10], video[:, 4:]

    assert all(v.item() == 0 for v in video_losses(Perfect, video, 4, 6).values())
    assert image_loss(video + 0.5, video).item() == pytest.approx(0.25 * 3 * 32 * 32, rel=1e-5)


@pytest.mark.parametrize("physics", ["spring_color", "bouncing_balls", "3bp_color"])
def test_fitted_velocities_are_exact_on_exact_positions(physics, tiny, generator):
    """Positions made by the model's own physics: the fit must return the state they were made from."""
    model = build_model(tiny(physics))
    k = model.decoder.template().shape[0]
    angle = torch.arange(k) * 2 * torch.pi / k
    start = 16 + 8 * torch.stack([angle.cos(), angle.sin()], -1) + torch.rand(16, k, 2, generator=generator)
    speed = 4 * torch.randn(16, k, 2, generator=generator)
    with torch.no_grad():
        path, velocities = model.physics.rollout(start, speed, model.input_steps)
        pos, vel = model.velocity(path, model.physics)
    torch.testing.assert_close(pos, path[:, -1], atol=1e-2, rtol=0)
    assert (vel - velocities[:, -1]).abs().median() < 1e-2


def test_the_seed_fixes_the_weights(tiny):
    first, again, other = (build_model(tiny(seed=s)).state_dict() for s in (3, 3, 4))
    assert all(torch.equal(first[n], again[n]) for n in first)
    assert not torch.equal(first["encoder.unet.head.weight"], other["encoder.unet.head.weight"])


@pytest.mark.parametrize("task", ["spring_color", "mnist_spring_color", "3bp_color"])
def test_the_plainest_implementation_gives_the_same_losses_and_gradients(task, generator):
    model = build_model(make_config(task, "paper")).double()  # float32 would hide small differences in noise
    with torch.no_grad():  # templates that differ from one another and reach their borders
        for parameter in (model.decoder.template.out.bias, model.decoder.content.out.bias):
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        model.decoder.log_sigma.fill_(0.1)
    size, frames = TASKS[task].image_size, model.input_steps + model.pred_steps
    video = torch.rand(2, frames, 3, size, size, generator=generator).double()
    plain = PlainPAIG(model)
    expected = plain.losses(video)
    losses = video_losses(model(video), video, model.input_steps, model.pred_steps)
    for name, loss in expected.items():
        torch.testing.assert_close(losses[name], loss)
    (losses["pred_loss"] + 3 * losses["recons_loss"]).backward()
    (expected["pred_loss"] + 3 * expected["recons_loss"]).backward()
    for ours, theirs in zip(model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
