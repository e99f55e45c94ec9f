"""The comparisons of the report: which options are changed, on which tasks and seeds.

``snakemake --config study=<name>`` runs one of them; its results are ``reports/results/<study>/<variant>/*.json``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pig_core.config import RECIPES, Config
from pig_core.system import results_folder
from pig_core.tasks import TASKS

from ..report.results import load_results

Options = Mapping[str, object]


@dataclass(frozen=True)
class Study:
    """Runs that answer one question: every variant, task and seed."""

    question: str
    variants: Mapping[str, Options]  # name of the variant -> options that differ from the recipe's
    tasks: tuple[str, ...] = ("spring_color",)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    recipe: str = "improved"
    keep: tuple[str, ...] = ()  # files of the first seed's run that the report shows, beside its result
    own_videos: bool = False  # each seed learns from a data set of its own

    def runs(self, folder: str | Path) -> list[tuple[str, Options]]:
        """Path of the result and options of every run, with results in ``folder``."""
        return [
            (
                f"{folder}/{variant}/{task}-{self.recipe}-s{seed}.json",
                {**options, **({"data_seed": seed + 1} if self.own_videos else {})},
            )
            for variant, options in self.variants.items()
            for task in self.tasks
            for seed in self.seeds
        ]


_DEFAULTS = {name: field.default for name, field in Config.__dataclass_fields__.items()}
_PAPER = RECIPES["paper"]["all"]
# Options in which the recipes differ. Left out are epochs and base_lr, which only the last stage of "paper" has.
CHANGES = tuple(
    name for name, ours in _DEFAULTS.items() if _PAPER.get(name, ours) != ours and name not in ("epochs", "base_lr")
)
_IN_DYNAMICS = ("backward_loss", "start_prior")  # act in a stage that "paper" does not have
_NO_STAGES = {"locality_steps": 0, "decoder_steps": 0, "vision_steps": 0, "dynamics_steps": 0}
# A budget of minutes: 1000 steps of 8 sequences instead of 25000 of 100.
_SHORT = {"datapoints": 2000, "batch_size": 8, "epochs": 4, "eval_every_n_epochs": 4, "unet_precision": "bfloat16"}

# What learns at once from the beginning, as in the paper, but sees as "improved" does.
_JOINT = {
    **_NO_STAGES, "start_prior": False, "datapoints": 1600, "batch_size": 16, "epochs": 6, "eval_every_n_epochs": 6,
    "base_lr": 2e-3,
}  # fmt: skip
# Dynamics that are learned, velocity included, on the positions of all training videos.
_LEARNED = {
    "velocity_type": "difference_mlp", "backward_loss": 0.0, "start_prior": False, "dynamics_steps": 2000,
    "dynamics_sequences": 0,
}  # fmt: skip
_BLACK_BOX = {**_LEARNED, "physics_lr_scale": 1.0, "dynamics_lr": 4e-3}
_FRAMES = {
    **_NO_STAGES, "cell_type": "video_lstm", "background_init": "network", "start_prior": False,
    "recurrent_units": 512, "epochs": 3, "batch_size": 32, "base_lr": 1e-3, "eval_every_n_epochs": 3,
}  # fmt: skip

_MEASURED = tuple(task.name for task in TASKS.values() if task.truth)


def _truths(task: str, *truths: str) -> Study:
    return Study(
        "Does it measure other constants as well, with nothing tuned to them?",
        {text.replace("=", "").replace(",", "_"): {"truth": text} for text in truths},
        tasks=(task,), seeds=(0, 1, 2),
    )  # fmt: skip


STUDIES: dict[str, Study] = {
    "without": Study(
        "What does `improved` lose if one of its changes is taken back?",
        {name: {name: _PAPER[name]} for name in CHANGES},
    ),
    "dynamics": Study(
        "Do black boxes in the place of physics predict as far?",
        {
            "improved": {},
            "no_start_prior": {"start_prior": False},
            "physics": _LEARNED,
            "lstm": {**_BLACK_BOX, "cell_type": "lstm"},
            "interaction": {**_BLACK_BOX, "cell_type": "interaction"},
        },
        tasks=("spring_color", "3bp_color", "bouncing_balls"), seeds=(0, 1, 2),
    ),
    "frames": Study(
        "How far does a model get that knows neither objects nor physics?",
        {"video_lstm": _FRAMES},
        tasks=("spring_color", "3bp_color", "bouncing_balls"), seeds=(0, 1, 2),
    ),
    "decoder": Study(
        "What does a decoder draw where it has never seen an object?",
        {
            "network": {"decoder_type": "mlp", "decoder_steps": 600, "vision_steps": 0},
            "placed": {"decoder_steps": 600, "vision_steps": 0},
        },
        tasks=("spring_color_half",), seeds=(0, 1, 2), keep=("outputs.npz",),
    ),
    "signal": Study(
        "From what does it learn: reconstruction only, gradients kept apart, or everything at once?",
        {
            **{name: {**_JOINT, "training_signal": name} for name in ("autoencoder", "separate", "joint")},
            # With a velocity that has to be learned, as in the paper, the prediction has more to teach.
            **{f"{name}_velocity": {**_JOINT, "training_signal": name, "velocity_type": "difference_mlp"}
               for name in ("separate", "joint")},
        },
        seeds=(0, 1, 2),
    ),
    "datapoints": Study(
        "How many training videos does it need?",
        {str(n): {"datapoints": n} for n in (1, 3, 10, 30, 100, 1000)},
        tasks=("spring_color", "3bp_color"), seeds=(0, 1, 2),
    ),
    "substeps": Study(
        "Is a constant still off when the model takes as many steps a frame as the simulation?",
        {"10": {"substeps": 10}},
        tasks=_MEASURED, seeds=(0, 1, 2),
    ),
    "truths_spring_color": _truths("spring_color", "k=6,l=4", "k=1.5,l=7"),
    "truths_spring_color_half": _truths("spring_color_half", "k=6,l=4", "k=1.5,l=7"),
    "truths_mnist_spring_color": _truths("mnist_spring_color", "k=3,l=10", "k=1,l=14"),
    "truths_3bp_color": _truths("3bp_color", "g=40", "g=90"),
    "videos": Study(
        "How much do the constants scatter if every seed has videos of its own?",
        {"own": {}}, tasks=("spring_color", "3bp_color"), own_videos=True,
    ),
    "grey": Study(
        "Does it find objects that have no colour of their own?", {"grey": {"color": False}},
        tasks=("spring_color", "mnist_spring_color"), seeds=(0, 1, 2),
    ),
    "with": Study(
        "What does one change alone do for `paper`, in 1000 steps of 8 sequences?",
        {"nothing": _SHORT, **{n: {**_SHORT, n: _DEFAULTS[n]} for n in CHANGES if n not in _IN_DYNAMICS}},
        recipe="paper",
    ),
}  # fmt: skip


def study_results(name: str) -> pd.DataFrame:
    """The runs of a study that come with the project, as :func:`load_results` gives them, and the column "variant"."""
    found = [
        load_results(results_folder() / name / variant).assign(variant=variant) for variant in STUDIES[name].variants
    ]
    return pd.concat([runs for runs in found if len(runs)] or found, ignore_index=True)


def study_outputs(name: str) -> dict[str, dict[str, np.ndarray]]:
    """The ``outputs.npz`` that a study keeps of each variant's first seed: variant -> arrays."""
    paths = {variant: results_folder() / name / variant / "outputs.npz" for variant in STUDIES[name].variants}
    return {variant: dict(np.load(path, allow_pickle=False)) for variant, path in paths.items()}
