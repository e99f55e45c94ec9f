"""Learned dynamics behind the trained eyes of a full run: does physics predict further, if all see the same positions?

Encoder and decoder of the run stay as they are. Velocity and dynamics are those of the comparison of black boxes (study
"dynamics"), with its options, learned anew on the positions of all training videos.
"""

from collections.abc import Iterator, Sequence

from torch import Tensor

from pig_core.build import build_model
from pig_core.config import make_config
from pig_core.data import load_videos
from pig_core.evaluate import evaluate_video, judge
from pig_core.model import PAIG
from pig_core.stages import dynamics_stage
from pig_core.training import Session, run_stage

from ..trained import Trained
from .studies import STUDIES

VARIANTS = {name: options for name, options in STUDIES["dynamics"].variants.items() if "velocity_type" in options}
SSIM_SEQUENCES = 20  # as in full runs


def behind(
    trained: Trained, frames: Tensor, positions: Tensor, names: Sequence[str] = tuple(VARIANTS), steps: int = 0
) -> Iterator[tuple[str, dict[str, object]]]:
    """One kind of dynamics after another: its name, and its losses and errors on the long test file.

    Args:
        frames, positions: training video, uint8 (N, L+P, H, W, 3), and what the run's encoder sees in it.
        names: of the variants of the study that learn a velocity.
        steps: of the optimiser; 0: as in the study.
    """
    task = trained.task
    test, truth, _ = load_videos(trained.config, task, "test", task.test_length)
    for name in names:
        options = {**VARIANTS[name], **({"dynamics_steps": steps} if steps else {})}
        config = make_config(task.name, seed=trained.config.seed, color=trained.config.color, **options)
        new = build_model(config, task)
        eyes = trained.model
        model = PAIG(
            eyes.encoder, eyes.decoder, new.velocity, None, new.physics, eyes.input_steps, eyes.pred_steps,
            eyes.refine, eyes.origins,
        ).eval()  # fmt: skip
        session = Session()
        run_stage(model, config, dynamics_stage(model, config, frames, positions=positions), session)
        metrics = evaluate_video(model, config.color, test, truth, ssim_sequences=SSIM_SEQUENCES).metrics
        yield name, {**judge(metrics, model.physics.values(), task), "seconds": session.seconds}
