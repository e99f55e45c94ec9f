"""The comparisons of the report: which options each one varies, on which tasks and seeds.

``make study STUDY=<name>`` runs what its table lacks; ``load_results("<name>")`` reads the table;
``python -m pig_core keep RUN_FOLDER`` adds a finished run to a table.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pig_core.config import RECIPES, SHAPING, Config, differing, make_config, saved_config
from pig_core.system import CHECKPOINT, RunError, commit, fields_of, results_folder
from pig_core.tasks import TASKS

from ..report.results import KEYS, add_run, load_results, read_run, table_path
from ..report.style import plain
from ..trained import open_checkpoint, save_small

EXPLAINED_VIDEOS = 600  # fresh ones
# Options in which full runs may differ from their recipe: the size of the batch, with as many updates, and rounding.
BUDGET = ("batch_size", "epochs", "unet_precision", "use_ckpt", "ckpt_dir")
Options = Mapping[str, object]


@dataclass(frozen=True)
class Study:
    """Runs that answer one question: every variant, task and seed."""

    question: str
    variants: Mapping[str, Options]  # name of the variant -> options that differ from the recipe's
    tasks: tuple[str, ...] = ("spring_color",)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    recipe: str = "improved"
    only: Mapping[str, Mapping[str, tuple]] = field(default_factory=dict)  # variant -> "tasks" or "seeds" of its own
    keep: tuple[str, ...] = ()  # arrays of the first seed's outputs.npz that the report shows
    own_videos: bool = False  # each seed learns from a data set of its own

    def runs(self) -> Iterator[tuple[dict[str, object], dict[str, object]]]:
        """What names each run in its table (:data:`KEYS`), and its options."""
        for variant, options in self.variants.items():
            own = self.only.get(variant, {})
            for task in own.get("tasks", self.tasks):
                for seed in own.get("seeds", self.seeds):
                    key = {"variant": variant, "task": task, "recipe": self.recipe, "seed": seed}
                    yield key, {**options, **({"data_seed": seed + 1} if self.own_videos else {})}


_DEFAULTS = {name: each.default for name, each in fields_of(Config).items()}
_PAPER = RECIPES["paper"]["all"]
# The changes of "improved" that "without" and "with" examine. Named, so that a new option asks for no new training.
CHANGES = (
    "encoder_type", "logit_gain", "mask_background", "coordinates", "window_edge", "background_init", "velocity_type",
    "start_prior", "locality_steps", "decoder_steps", "vision_steps", "dynamics_steps", "backward_loss",
    "physics_lr_scale", "optimizer", "clip_value", "clip_norm",
)  # fmt: skip
_IN_DYNAMICS = ("backward_loss", "start_prior")  # act in a stage that "paper" does not have
_NO_STAGES = {"locality_steps": 0, "decoder_steps": 0, "vision_steps": 0, "dynamics_steps": 0}
# A budget of minutes: 1000 steps of 8 sequences instead of 25000 of 100.
_SHORT = {"datapoints": 2000, "batch_size": 8, "epochs": 4, "eval_every_n_epochs": 4, "unet_precision": "bfloat16"}

# Everything is learned at once, as in the paper, but with the encoder of "improved".
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
_DISC_SPRINGS = ("spring_color", "spring_color_half")
_TRUTHS = {  # other constants -> tasks
    "k=6,l=4": _DISC_SPRINGS, "k=1.5,l=7": _DISC_SPRINGS, "k=3,l=10": ("mnist_spring_color",),
    "k=1,l=14": ("mnist_spring_color",), "g=40": ("3bp_color",), "g=90": ("3bp_color",),
}  # fmt: skip

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
            "video_lstm": _FRAMES,
        },
        tasks=("spring_color", "3bp_color", "bouncing_balls"), seeds=(0, 1, 2),
    ),
    "decoder": Study(
        "What does a decoder draw where training showed no object?",
        {
            "network": {"decoder_type": "mlp", "decoder_steps": 600, "vision_steps": 0},
            "placed": {"decoder_steps": 600, "vision_steps": 0},
        },
        tasks=("spring_color_half",), seeds=(0, 1, 2), keep=("input", "prediction"),
    ),
    "signal": Study(
        "From what does it learn: reconstruction only, separate gradients, or everything at once?",
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
    "coordinates": Study(
        "What do the released coordinates do, if positions are refined through the decoder?",
        {"released": {"coordinates": "released", "refine_steps": 4}, "refined": {"refine_steps": 4}},
        tasks=_MEASURED, seeds=(0, 1, 2),
        only={"refined": {"tasks": (*_DISC_SPRINGS, "3bp_color"), "seeds": (0,)}},
    ),
    "substeps": Study(
        "Is a constant still off when the model takes as many steps per frame as the simulation?",
        {"10": {"substeps": 10}},
        tasks=_MEASURED, seeds=(0, 1, 2),
    ),
    "truths": Study(
        "Does it measure other constants as well, with nothing tuned to them?",
        {text.replace("=", "").replace(",", "_"): {"truth": text} for text in _TRUTHS}, seeds=(0, 1, 2),
        only={text.replace("=", "").replace(",", "_"): {"tasks": tasks} for text, tasks in _TRUTHS.items()},
    ),
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

# Tables of runs that are added one by one (``python -m pig_core keep``): variant -> options that differ from the
# recipe's. "sweep" holds the recipes as they are; its variant says the size of the batch of the recipe "paper".
FULL: dict[str, dict[str, Options]] = {
    "sweep": {},
    "full": {
        **{f"{coordinates}_{velocity}": {"coordinates": coordinates, "velocity_type": kind}
           for coordinates in ("released", "exact") for velocity, kind in (("learned", "mlp"), ("fitted", "fit"))},
        "separate": {"training_signal": "separate"}, "autoencoder": {"training_signal": "autoencoder"},
    },
}  # fmt: skip


def missing(study: str, runs: list[tuple[dict, dict]], folder: Path | None = None) -> list[tuple[dict, dict]]:
    """Those runs (:meth:`Study.runs`) that the table of a study does not hold."""
    if not table_path(study, folder).is_file():
        return runs
    there = load_results(study, folder)
    held = set(there[list(KEYS)].itertuples(index=False, name=None))
    return [(key, options) for key, options in runs if tuple(key.values()) not in held]


def source(study: str) -> str:
    """How to run a study, and where the runs in its table come from: a line of Markdown."""
    runs = load_results(study)
    commits, devices = (", ".join(sorted(set(values))) for values in (runs["commit"].str[:8], runs["device"]))
    return f"<small>{len(runs)} runs (make study STUDY={study}); commit {plain(commits)}; on {plain(devices)}.</small>"


def keep(
    run: Path, study: str = "sweep", variant: str | None = None, folder: Path | None = None, replace: bool = False,
    weights: bool = False, images: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Add a finished run to the table of a study; returns the table's path.

    A run of the recipe "paper" that stands in "sweep" or "full" is explained (:func:`pig_lab.studies.paper.explain`),
    and one video of it is stored.

    Args:
        run: its folder.
        variant: of the study; None: that of the recipe itself.
        folder: of the tables; None: the project's, which take only runs with the options of their study.
        weights: store the small form of the checkpoint, too (3 MB).
        images: arrays of the run's outputs.npz to store.
    Raises:
        RunError: if it is no finished run of that study, or the table holds it already.
    """
    metrics, curves = read_run(run)
    config = metrics["config"]
    if variant is None:
        variant = f"batch {config['batch_size']}" if metrics["recipe"] == "paper" and study == "sweep" else ""
    if folder is None:
        _check_options(run, metrics, study, variant)
    stored, more = {}, {}
    if images:
        with np.load(run / "outputs.npz", allow_pickle=False) as file:
            stored = {name: file[name] for name in images}
    if (study in FULL and metrics["recipe"] == "paper") or weights:
        trained = open_checkpoint(run / CHECKPOINT, EXPLAINED_VIDEOS)
        if study in FULL and metrics["recipe"] == "paper":
            from .paper import explain, shown

            more, stored = {"explained": {"commit": commit(), **explain(trained)}}, stored | shown(trained)
    path = add_run(metrics, curves, study, variant, folder, replace, stored, **more)
    if weights:
        label = "{task}-{recipe}-s{seed}".format(**metrics)
        name = f"{variant}-{label}.safetensors".lstrip("-").replace(" ", "-")
        save_small((folder or results_folder()) / "weights" / "full" / name, trained.model, trained.config)
    return path


def _check_options(run: Path, metrics: Mapping[str, object], study: str, variant: str) -> None:
    """Refuse a run that is not one of its study.

    Raises:
        RunError: it says in which options the run differs.
    """
    name, recipe, seed = metrics["task"], metrics["recipe"], metrics["seed"]
    if study in STUDIES:
        wanted = next((options for key, options in STUDIES[study].runs()
                       if tuple(key.values()) == (variant, name, recipe, seed)), None)  # fmt: skip
    else:
        wanted = FULL[study].get(variant) if FULL[study] else {}
    if wanted is None:
        raise RunError(f"{run} is not a run of {study}: it has no {variant!r} of {name}, {recipe}, seed {seed}")
    plain = make_config(name, recipe, seed=seed, **wanted)
    free = () if study in STUDIES or recipe == "improved" else BUDGET
    odd = [option for option in differing(plain, saved_config(metrics["config"]), *SHAPING) if option not in free]
    if odd:
        raise RunError(f"{run} is not of the recipe {recipe} with {dict(wanted)}: it differs in {', '.join(odd)}")
    updates, planned = sum(metrics["steps"].values()), plain.epochs * plain.n_train // plain.batch_size
    if study == "sweep" and free and updates != planned:
        raise RunError(f"{run} made {updates:,d} updates, the recipe {recipe} makes {planned:,d}")


def main(arguments: list[str]) -> None:
    """Add the runs whose folders are named to a table of results."""
    parser = argparse.ArgumentParser("python -m pig_core keep", description=main.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("--study", default="sweep", choices=[*FULL, *STUDIES], help="whose table")
    parser.add_argument("--variant", help="of the study; without it that of the recipe itself")
    parser.add_argument("--into", type=Path, help="folder of tables; without it the project's results")
    parser.add_argument("--replace", action="store_true", help="replace runs that the table holds")
    parser.add_argument("--weights", action="store_true", help="store the weights, too")
    parser.add_argument("--images", nargs="+", default=(), choices=("input", "prediction"), help="arrays to store")
    given = vars(parser.parse_args(arguments))
    into = given.pop("into")
    own = into is None or into.resolve() == results_folder()
    for run in given.pop("runs"):
        print(keep(run, folder=None if own else into, **given), flush=True)
