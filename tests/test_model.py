"""The whole model: the authors' forward pass and training steps, gradients, order of frames and objects."""

import numpy as np
import pytest
import torch

from pig_core.baselines.plain import PlainPAIG
from pig_core.config import make_config
from pig_core.data.videos import to_video
from pig_core.model import image_loss, video_losses
from pig_core.runs.build import build_model
from pig_core.stages import joint_stage
from pig_core.tasks import TASKS
from pig_core.training import Session, run_stage

from .authors import CELLS, load_authors_variables
from .conftest import golden


def relative(ours, theirs):
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


@pytest.mark.parametrize("task", CELLS)
def test_paper_forward_pass_is_the_authors(task):
    vectors = golden(f"{task}_forward_and_12_steps.npz")
    model = build_model(make_config(task, "paper"))
    load_authors_variables(model, vectors, task)
    video = to_video(torch.from_numpy(vectors["batch"]))
    with torch.no_grad():
        output = model(video)
    losses = video_losses(output, video, model.input_steps, model.pred_steps)
    assert relative(output.positions.flatten(2).numpy(), vectors["fwd/enc_pos"]) < 1e-3
    assert relative(output.recons.movedim(2, -1).numpy(), vectors["fwd/recons"]) < 1e-3
    assert relative(output.prediction.movedim(2, -1).numpy(), vectors["fwd/output"]) < 1e-3
    states = torch.cat([output.rollout.flatten(2), output.rollout_vel.flatten(2)], -1).numpy()
    assert relative(states, vectors["fwd/pos_vel"][:, 1:]) < 1e-3
    for name, value in losses.items():
        assert value.item() == pytest.approx(float(vectors[f"fwd/{name}"]), rel=1e-3)


def twelve_steps(task, vectors, monkeypatch, **options):
    """The model after twelve training steps from the authors' weights on the authors' batches, and its losses."""
    config = make_config(task, "paper", epochs=1, batch_size=8, anneal_lr=False, **options)
    model = build_model(config)
    load_authors_variables(model, vectors, task)
    video = torch.from_numpy(vectors["train/batches"])  # 96 sequences: twelve batches of one epoch
    monkeypatch.setattr("torch.randperm", lambda n, generator: torch.arange(n))  # the authors' order
    monkeypatch.setattr("pig_core.training.RECORD_EVERY", 1)
    session = Session()
    run_stage(model, config, joint_stage(model, config, video), session, 0.0)
    return model, [[point["loss"], point["pred_loss"], point["recons_loss"]] for point in session.curves]


@pytest.mark.parametrize("task", CELLS)
def test_twelve_paper_training_steps_are_the_authors(task, monkeypatch):
    """Pins RMSProp (accumulator from one, epsilon inside the root), clipping, the loss and its reduction."""
    vectors = golden(f"{task}_forward_and_12_steps.npz")
    model, losses = twelve_steps(task, vectors, monkeypatch)
    np.testing.assert_allclose(losses, vectors["train/losses"], rtol=1e-2)
    assert model.decoder.log_sigma.item() == pytest.approx(float(vectors["after12/net/decoder/logsigma:0"]), abs=1e-4)
    for name in model.physics.parameter_names:
        theirs = float(vectors[f"after12/net/{CELLS[task]}/log_{name}:0"])
        assert model.physics.logs[name].item() == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("task", CELLS)
def test_with_bfloat16_convolutions_they_nearly_are(task, monkeypatch):
    vectors = golden(f"{task}_forward_and_12_steps.npz")
    _, quick = twelve_steps(task, vectors, monkeypatch, unet_precision="bfloat16")
    _, exact = twelve_steps(task, vectors, monkeypatch)
    assert quick != exact  # the option does something
    np.testing.assert_allclose(quick, vectors["train/losses"], rtol=1e-3)


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
