"""What the model is compared with: black boxes for physics, decoder and everything, and gradients kept apart."""

import numpy as np
import pandas as pd
import pytest
import torch
from skimage.metrics import structural_similarity

from pig_core.build import build_model
from pig_core.config import make_config
from pig_core.data import example_videos
from pig_core.evaluate import evaluate_video
from pig_core.model import to_video, video_losses
from pig_core.run import Run
from pig_core.stages import joint_stage
from pig_core.tasks import TASKS
from pig_core.training import Session, run_stage
from pig_lab.baselines import BLACK_BOXES
from pig_lab.report.figures import curves
from pig_lab.report.notebook import constants_table
from pig_lab.report.results import COLUMNS, as_row, summary_table
from pig_lab.studies.ablations import trivial_predictors

from .conftest import JOINT_ONLY

FRAMES = {
    **JOINT_ONLY,
    "start_prior": False,
    "cell_type": "video_lstm",
    "epochs": 1,
    "batch_size": 20,
    "recurrent_units": 16,
}


@pytest.mark.parametrize("name", BLACK_BOXES)
def test_a_black_box_learns_to_predict_free_motion(name):
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    box = BLACK_BOXES[name](2, 50, 1, 32, 0.3)
    optimizer = torch.optim.Adam(box.parameters(), 4e-3)

    def error(steps=5):
        pos = 8 + 16 * torch.rand(64, 2, 2, generator=generator)
        vel = 8 * torch.rand(64, 2, 2, generator=generator) - 4
        truth = torch.stack([pos + vel * 0.3 * (t + 1) for t in range(steps)], 1)
        return (box.rollout(pos, vel, steps)[0] - truth).square().mean(), (pos.unsqueeze(1) - truth).square().mean()

    for _ in range(300):
        optimizer.zero_grad()
        error()[0].backward()
        optimizer.step()
    with torch.no_grad():
        learned, standing_still = error()
    assert learned < 0.5 * standing_still


def test_an_interaction_network_does_not_care_about_the_order_of_objects(generator):
    box = BLACK_BOXES["interaction"](3, 20, 1, 36, 0.5)
    pos, vel = 36 * torch.rand(4, 3, 2, generator=generator), torch.randn(4, 3, 2, generator=generator)
    order = [2, 0, 1]
    for ours, theirs in zip(box.rollout(pos, vel, 3), box.rollout(pos[:, order], vel[:, order], 3), strict=True):
        torch.testing.assert_close(ours[:, :, order], theirs)


@pytest.mark.parametrize(
    "options",
    [
        {"decoder_type": "mlp"},
        {**FRAMES, "background_init": "network"},
        {"cell_type": "interaction", "velocity_type": "difference_mlp", "backward_loss": 0.0, "start_prior": False},
        {"cell_type": "lstm", "velocity_type": "mlp", "backward_loss": 0.0, "start_prior": False},
    ],
    ids=["network decoder", "frames only", "interaction network", "lstm"],
)
def test_a_baseline_is_trained_judged_and_saved_like_any_run(options, tiny, tmp_path):
    run = Run.start(tiny(save_dir=str(tmp_path / "run"), **options))
    run.train()
    metrics = run.evaluate()
    assert np.isfinite(metrics["pred_loss"])
    assert len(metrics["pred_loss_per_step"]) == 26
    folder = run.save()
    assert {"metrics.json", "checkpoint.safetensors", "example0.jpg", "templates.jpg", "outputs.npz"} <= {
        path.name for path in folder.iterdir()
    }
    assert "training" in summary_table(pd.DataFrame([as_row(metrics)], columns=COLUMNS))
    assert ("<td>k</td>" in constants_table(metrics, run.task).data) == ("k" in metrics["learned"])
    curves(run.session.curves, run.task.truth)


def test_the_model_of_frames_sees_the_input_frames_only():
    model = build_model(make_config(**FRAMES))
    video = torch.rand(2, 12, 3, 32, 32)
    other = video.clone()
    other[:, model.input_steps :] = 0
    with torch.no_grad():
        torch.testing.assert_close(model(video).prediction, model(other).prediction)


@pytest.mark.parametrize(("signal", "silent"), [("joint", set()), ("separate", {"encoder", "decoder"})])
def test_what_learns_from_the_prediction(signal, silent):
    model = build_model(make_config(start_prior=False, velocity_type="mlp", backward_loss=0.0))
    video = torch.rand(2, 10, 3, 32, 32)
    losses = video_losses(model(video, separate=signal == "separate"), video, model.input_steps, model.pred_steps)
    losses["pred_loss"].backward()
    reached = {
        name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
    }
    assert reached == {"encoder", "decoder", "velocity", "physics"} - silent


def test_the_signal_changes_gradients_not_pictures():
    video = torch.rand(2, 12, 3, 32, 32)
    with torch.no_grad():
        joint, separate = (build_model(make_config())(video, separate=separate) for separate in (False, True))
    torch.testing.assert_close(joint.prediction, separate.prediction)


def test_an_autoencoder_learns_no_constant(tiny):
    config = tiny(training_signal="autoencoder", **JOINT_ONLY, epochs=2, batch_size=20)
    model = build_model(config)
    before = {name: p.clone() for name, p in model.named_parameters()}
    frames = (255 * torch.rand(40, 10, 32, 32, 3)).byte()
    run_stage(model, config, joint_stage(model, config, frames), Session())
    assert model.physics.values() == {"k": 1.0, "l": 1.0}
    assert any(not torch.equal(before[n], p) for n, p in model.named_parameters() if n.startswith("encoder"))


def test_trivial_guesses_are_what_they_say():
    task = TASKS["spring_color"]
    videos = to_video(example_videos(task, 5)[0])
    last = (videos[:, task.input_steps] - videos[:, task.input_steps - 1]).square().sum((1, 2, 3)).mean()
    guesses = trivial_predictors(task, 5).set_index("variant")
    assert guesses["pred_loss_per_step"]["last frame"][0] == pytest.approx(last.item(), rel=1e-5)
    variance = videos[:, task.input_steps :].var((0, 1), correction=0).sum().item()
    mean = np.mean(guesses["pred_loss_per_step"]["mean frame"])
    assert variance <= mean < 1.2 * variance  # the mean is taken over the input frames, too
    assert len(guesses["ssim_per_step"]["last frame"]) == 26


@pytest.mark.parametrize(("asked", "taken"), [(0, 45), (30, 30), (60, 45)])
def test_the_similarity_is_taken_over_as_many_sequences_as_are_asked_for(asked, taken):
    config = make_config()
    model, frames = build_model(config), (255 * torch.rand(45, 13, 32, 32, 3)).byte()
    with torch.no_grad():
        video = to_video(frames)
        drawn = model(video).prediction
    pairs = [(drawn[i, 1].numpy(), video[i, model.input_steps + 1].numpy()) for i in range(taken)]
    wanted = np.mean([structural_similarity(a, b, channel_axis=0, data_range=1.0) for a, b in pairs])
    found = evaluate_video(model, True, frames, None, ssim_sequences=asked).metrics["ssim_per_step"]
    assert len(found) == 13 - model.input_steps
    assert found[1] == pytest.approx(wanted, rel=1e-5)
