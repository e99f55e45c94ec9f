"""Every option of a run: one frozen dataclass, the only place of defaults, and the recipes as sets of its values.

The defaults are the recipe ``improved``. The recipe ``paper`` is a set of other values for the same options, so
each difference between the two can be switched alone, e.g. ``make_config("spring_color", coordinates="released")``.
"""

import argparse
import dataclasses
import difflib
import functools
import math
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .system import ConfigError
from .tasks import TASKS, Task

# What an option is: a value with a meaning, a type and limits, and one clear sentence where they are not kept.

_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}


# What an option shapes. All but the last decide on what comes out; "run" only on where, and on what is shown meanwhile.
PARTS = ("model", "data", "training", "run")
SHAPING = PARTS[:-1]


def option(
    part: str,
    default,
    help: str,
    *,
    choices: tuple = (),
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    before: object = None,
    keeps_weights: bool = False,
):
    """A field of :class:`pig_core.config.Config`: its part, its meaning and the values it may have.

    Args:
        part: one of ``PARTS``.
        before: the value that does what was done before the option existed; None: the default does.
        keeps_weights: a training that goes on from a checkpoint may have another value than the one before it.
    """
    about = {"help": help, "choices": choices, "least": least, "above": above, "most": most}
    about["keeps_weights"] = keeps_weights
    before = default if before is None else before
    return dataclasses.field(default=default, metadata={"part": part, "before": before, **about})


def differing(ours: object, theirs: object, *parts: str) -> list[str]:
    """Names of the options of some parts in which two sets of options are not equal."""
    fields = (field for field in dataclasses.fields(ours) if field.metadata["part"] in parts)
    return [field.name for field in fields if getattr(ours, field.name) != getattr(theirs, field.name)]


def parser_of(kind: type, program: str, about: str, hidden: Mapping[str, object]) -> argparse.ArgumentParser:
    """A command line whose options are the fields of a dataclass; what is not given is None.

    Args:
        hidden: options that are accepted but not explained, with values of their types.
    """
    parser = argparse.ArgumentParser(program, description=about, allow_abbrev=False)
    kinds = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        type_ = kinds[field.name]
        parser.add_argument(
            f"--{field.name}",
            type=_truth_value if type_ is bool else type_,
            metavar=type_.__name__,
            help=f"{described(field)}; default: {field.default!r}",
        )
    for name, value in hidden.items():
        parser.add_argument(f"--{name}", type=type(value), help=argparse.SUPPRESS)
    return parser


def described(field: dataclasses.Field) -> str:
    """What an option means, and its choices."""
    choices = ", ".join(map(str, field.metadata["choices"]))
    return field.metadata["help"] + (f" ({choices})" if choices else "")


def _truth_value(text: str) -> bool:
    values = {"true": True, "false": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"must be True or False, got {text!r}")
    return values[text.lower()]


def checked(name: str, value: object, kind: type, rules: Mapping[str, object]) -> object:
    """``value`` if the option ``name``, of type ``kind``, allows it; a whole number may become a float.

    Args:
        rules: the metadata of the option's field.
    Raises:
        ConfigError: that says what is allowed.
    """
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(f"{name} must be {_KINDS[kind]}{_allowed(rules)}, got {value!r} ({type(value).__name__})")
    wrong = (
        (rules["choices"] and value not in rules["choices"])
        or (kind is float and not math.isfinite(value))
        or (rules["least"] is not None and value < rules["least"])
        or (rules["above"] is not None and value <= rules["above"])
        or (rules["most"] is not None and value > rules["most"])
    )
    if wrong:
        raise ConfigError(
            f"{name} must be {_KINDS[kind]}{_allowed(rules)}, got {value!r}{hint(str(value), rules['choices'])}"
        )
    return value


def hint(text: str, allowed: Iterable[str]) -> str:
    """What may have been meant, as the end of a sentence; empty if nothing is near."""
    near = difflib.get_close_matches(text, allowed, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def without_retired(options: Mapping[str, object], retired: Mapping[str, float]) -> dict[str, object]:
    """Options without those that have become constants.

    Raises:
        ConfigError: where another value than the constant's was asked for.
    """
    for name in retired.keys() & options.keys():
        if options[name] not in (None, retired[name]):
            raise ConfigError(f"{name} is no option any more: it is always {retired[name]:g}, got {options[name]!r}")
    return {name: value for name, value in options.items() if name not in retired}


def _allowed(rules: Mapping[str, object]) -> str:
    if rules["choices"]:
        return " out of " + ", ".join(rules["choices"])
    if rules["least"] is not None:
        return f" of at least {rules['least']:g}" + (f" and at most {rules['most']}" if rules["most"] else "")
    return f" above {rules['above']:g}" if rules["above"] is not None else ""


model, data, training, run = (functools.partial(option, part) for part in PARTS)


@dataclass(frozen=True)
class Config:
    """All options of one run. Make it with :func:`make_config`, which knows the recipes."""

    # fmt: off
    # What to run
    task: str = model("spring_color", "which data set", choices=tuple(TASKS))
    recipe: str = model("improved",
        "improved: CPU minutes; paper: faithful to the authors' code, hours on a CPU", choices=("improved", "paper"))
    seed: int = training(0, "fixes initial weights and batches", least=0, most=2**32 - 1)
    device: str = run("auto", "auto takes a GPU if there is one", choices=("auto", "cpu", "cuda"))
    save_dir: str = run("", "folder of the results; empty: reports/runs/<task>/<recipe>-s<seed>, numbered if taken")
    overwrite: bool = run(False, "replace a run that save_dir already holds")
    resume: bool = run(False, "go on with the interrupted run in save_dir")

    # Data
    data_dir: str = run("", "folder with data files; empty: data/datasets, simulated where missing")
    simulate: bool = run(False, "simulate what is missing in data_dir, too")
    truth: str = data("", "other true parameters to simulate with, e.g. 'k=2.5,l=7'; empty: the task's")
    data_seed: int = data(0, "which videos to simulate: each number stands for a data set of its own", least=0)
    n_train: int = data(5000, "training sequences to simulate", least=1)
    n_eval: int = data(500, "validation and test sequences to simulate", least=1)
    ssim_sequences: int = data(20,
        "test sequences that the structural similarity, which is slow, is taken over; 0: all", least=0)
    datapoints: int = data(0, "train on the first so many sequences only; 0: on all", least=0)
    color: bool = model(True, "False: show the model a grey image (the mean of the channels)")

    # Model
    architecture: str = model("paig",
        "objects and physics, or (a baseline without either) frames, an LSTM and frames again",
        choices=("paig", "video_lstm"))
    encoder_type: str = model("center_of_mass",
        "centre of mass of mask * (frame - background)^2, or (paper) an MLP", choices=("center_of_mass", "mlp"))
    logit_gain: float = model(30.0, "mask logits are multiplied by this; breaks the symmetry of objects", above=0)
    mask_background: bool = model(False, "a constant background logit takes part in the masks' softmax")
    unet_base: int = model(8, "channels of the U-Net's first level", least=1)
    unet_precision: str = training("float32",
        "numbers that the U-Net's convolutions compute with; bfloat16 is quicker where the hardware has it",
        choices=("float32", "bfloat16"))
    unet_poolings: int = model(2, "times the U-Net halves the image", least=1)
    mask_pooling: int = model(1, "masked frames are average-pooled by this before the MLP encoder", least=1)
    refine_steps: int = model(0, "Gauss-Newton steps that move positions until the drawn frame fits", least=0)
    refine_search: float = model(0.0, "pixels around each position where the refinement looks for a start", least=0)
    decoder_type: str = model("spatial_transformer",
        "placed pictures, turned ones, or a network", choices=("spatial_transformer", "turning_transformer", "mlp"))
    coordinates: str = model("exact",
        "template placement: pixel exact, or as released (lengths come out S/(S-1) too long)",
        choices=("exact", "released"), keeps_weights=True)
    origin: str = model("template",
        "a position is where a template is placed, or where the object in it is drawn", choices=("template", "drawn"),
        keeps_weights=True)
    window_edge: str = model("taper", "templates end in a one-pixel taper or in a cut", choices=("taper", "cut"))
    background_init: str = training("median_frame",
        "background before training", choices=("median_frame", "mean_frame", "network"))
    velocity_type: str = model("fit",
        "velocity at frame L: fitted to the input positions through the physics, difference + MLP, or MLP (paper)",
        choices=("fit", "difference_mlp", "mlp"), keeps_weights=True)
    velocity_init: str = training("random", "last layer of the mlp velocity at the start", choices=("random", "zero"))
    start_prior: bool = model(True, "correct the estimated state by what the starts of training scenes have in common")
    alt_vel: bool = model(False, "the authors' alternative velocity: one linear layer on position differences")
    cell_type: str = model("task", "dynamics: the task's physics, or a black box (LSTM, interaction network)",
        choices=("task", "lstm", "interaction"))
    recurrent_units: int = model(100, "width of the black box", least=1)
    lstm_layers: int = model(1, "depth of the lstm", least=1)
    substeps: int = model(5, "Euler steps per frame inside the model", least=1)

    # Training, stage 1, "locality": the encoder learns that an object is in one place. Stages of 0 steps are left
    # out; the paper has the last one only.
    locality_steps: int = training(60, "steps of the stage locality; 0 leaves a stage out", least=0)
    # Stage 2, "decoder": the decoder learns to draw what the encoder found, on single frames.
    decoder_steps: int = training(100, "steps of the stage decoder, on single frames", least=0)
    # Stage 3, "vision": encoder and decoder together, on single frames.
    vision_steps: int = training(50, "steps of the stage vision: encoder and decoder, on single frames", least=0)
    vision_batch: int = training(64, "single frames per step of the stages decoder and vision", least=1)
    # Stage 4, "dynamics": velocity and physics on the positions that the trained encoder sees.
    dynamics_steps: int = training(400, "steps of the stage dynamics: velocity and physics, on positions", least=0)
    dynamics_lr: float = training(2e-3, "learning rate of the stage dynamics", above=0)
    dynamics_sequences: int = training(2000, "training sequences whose positions are used; 0: all", least=0)
    backward_loss: float = training(1.0, "weight of the rollout back to the input frames", least=0)
    physics_lr_scale: float = training(10.0, "learning rate of physical parameters relative to the rest", above=0)
    # Stage 5, "joint": everything together on sequences with the paper's loss.
    epochs: int = training(0, "passes over the training set with the paper's loss: the joint stage", least=0)
    batch_size: int = training(100, "sequences per step of the joint stage", least=1)
    base_lr: float = training(1e-3, "learning rate of the joint stage", above=0)
    anneal_lr: bool = training(True, "lower the learning rate towards the end")
    training_signal: str = training("joint",
        "what learns from the prediction: everything, only velocity and physics (separate), or nothing (autoencoder)",
        choices=("joint", "separate", "autoencoder"))
    autoencoder_loss: float = training(3.0, "weight of the reconstruction next to the prediction", least=0)
    outside_loss: float = training(0.0, "weight of the squared pixels by which predictions leave the picture", least=0)
    optimizer: str = training("adam", "optimiser of all stages", choices=("adam", "rmsprop", "momentum", "sgd"))
    clip_value: float = training(0.0, "largest absolute value of a gradient element; 0: no limit", least=0)
    clip_norm: float = training(10.0, "largest norm of the gradient; 0: no limit", least=0)

    # Watching and testing
    eval_every_n_epochs: int = run(1, "epochs between evaluations", least=1)
    save_every_n_epochs: int = run(5, "epochs between checkpoints", least=1)
    print_interval: int = run(50, "steps between progress lines", least=1)
    test_mode: bool = run(False, "no training: evaluate the checkpoint")
    use_ckpt: bool = training(False, "start from the checkpoint in ckpt_dir; training goes on with the joint stage")
    ckpt_dir: str = training("", "folder of the checkpoint to start from; empty: save_dir")
    debug: bool = run(False, "stop at the first non-finite gradient and say where it arose")
    # fmt: on

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            rules = {**field.metadata, "choices": ()} if field.name == "task" else field.metadata  # a task handed in
            value = checked(field.name, getattr(self, field.name), _TYPES[field.name], rules)
            object.__setattr__(self, field.name, value)
        object_stages = ("locality_steps", "decoder_steps", "vision_steps", "dynamics_steps")
        if self.architecture == "video_lstm" and any(getattr(self, name) for name in object_stages):
            raise ConfigError(f"architecture video_lstm knows no objects: set {', '.join(object_stages)} to 0")
        if self.origin == "drawn" and self.decoder_type != "spatial_transformer":
            raise ConfigError("origin drawn is about templates that do not turn: set decoder_type spatial_transformer")
        if self.training_signal != "joint" and not self.epochs:
            raise ConfigError(f"training_signal {self.training_signal} is about the joint stage: set epochs above 0")


# Options that were retired, with the value that has become a constant of its stage.
RETIRED = {
    "locality_batch": 32, "locality_lr": 4e-3, "locality_balance": 20.0, "mask_candidates": 8, "vision_lr": 2e-3,
    "dynamics_batch": 128,
}  # fmt: skip

# Values of options that differ from the defaults above: recipe -> ("all" tasks or one task) -> values.
RECIPES: dict[str, dict[str, dict[str, object]]] = {
    "improved": {
        "all": {},
        # A wall hit within the first frames makes the fitted state ambiguous; a polynomial cannot mend that.
        "bouncing_balls": {"autoencoder_loss": 2.0, "start_prior": False},
        "mnist_spring_color": {
            "refine_steps": 4, "refine_search": 4.0, "decoder_steps": 300, "vision_steps": 0, "vision_batch": 32,
            "dynamics_sequences": 500,
        },
        "3bp_color": {"autoencoder_loss": 5.0, "physics_lr_scale": 30.0},
    },
    "paper": {
        "all": {
            "encoder_type": "mlp", "logit_gain": 1.0, "mask_background": True, "coordinates": "released",
            "window_edge": "cut", "background_init": "network", "velocity_type": "mlp", "start_prior": False,
            "locality_steps": 0, "decoder_steps": 0, "vision_steps": 0, "dynamics_steps": 0, "backward_loss": 0.0,
            "physics_lr_scale": 1.0, "epochs": 500, "base_lr": 6e-4, "optimizer": "rmsprop", "clip_value": 1.0,
            "clip_norm": 0.0,
        },
        "bouncing_balls": {"autoencoder_loss": 2.0, "base_lr": 3e-4},
        "mnist_spring_color": {"unet_base": 16, "unet_poolings": 3, "mask_pooling": 2},
        "3bp_color": {"autoencoder_loss": 5.0, "base_lr": 1e-3},
    },
}  # fmt: skip

_FIELDS = {field.name: field for field in dataclasses.fields(Config)}
_TYPES = typing.get_type_hints(Config)


def make_config(task: str | Task = "spring_color", recipe: str = "improved", **options: object) -> Config:
    """The options of a run: defaults, then the recipe's values, then the given ones (None: as the recipe says).

    Args:
        task: one of the catalogue by its name, or a task of your own (which is then handed to the run, too).
    Raises:
        ConfigError: for an unknown option or a value that is not allowed; the message names both.
    """
    options = without_retired(options, RETIRED)
    for name in options:
        if name not in _FIELDS:
            raise ConfigError(f"unknown option {name!r}{hint(name, _FIELDS)} Allowed: {', '.join(_FIELDS)}")
    given = {name: value for name, value in options.items() if value is not None}
    own = task if isinstance(task, Task) else None
    name = own.name if own else checked("task", task, str, _FIELDS["task"].metadata)
    recipe = checked("recipe", recipe, str, _FIELDS["recipe"].metadata)
    config = Config(task=name, recipe=recipe, **{**RECIPES[recipe]["all"], **RECIPES[recipe].get(name, {}), **given})
    task_of(config, own)  # refuses what does not go together
    return config


def task_of(config: Config, task: Task | None = None) -> Task:
    """The task of a run, with the true constants that its options ask for.

    Args:
        task: a task of your own; None: the catalogue's of that name.
    Raises:
        ConfigError: if there is none, or if the options do not suit it.
    """
    if task is None and config.task not in TASKS:
        raise ConfigError(f"{config.task} is not in the catalogue ({', '.join(TASKS)}): hand in its Task, too")
    task = (task or TASKS[config.task]).with_truth(config.truth)
    known = TASKS.get(config.task)
    if task.name != config.task or (known and task != known.with_truth(config.truth)):
        raise ConfigError(f"the task {task.name} handed in is not {config.task}: a task of your own has its own name")
    for name, part in (("unet_poolings", 2**config.unet_poolings), ("mask_pooling", config.mask_pooling)):
        if task.image_size % part:
            raise ConfigError(f"{name} is {getattr(config, name)}, but {part} does not divide {task.image_size} pixels")
    fits, backwards = config.velocity_type == "fit" and not config.alt_vel, config.backward_loss or config.start_prior
    if config.cell_type != "task" and (fits or backwards):
        raise ConfigError(
            f"cell_type {config.cell_type} cannot run backwards in time: set velocity_type to difference_mlp or mlp "
            f"(now {config.velocity_type}), backward_loss to 0 (now {config.backward_loss:g}) and start_prior to False"
        )
    if not task.law.reversible and not fits and backwards:
        raise ConfigError(
            f"{task.law.__name__} cannot run backwards in time: set velocity_type to fit (now {config.velocity_type}), "
            "or backward_loss to 0 and start_prior to False"
        )
    if task.law.n_actions and config.cell_type != "task":
        raise ConfigError(f"cell_type {config.cell_type} knows no actions, which {task.name} has: set it to task")
    return task
