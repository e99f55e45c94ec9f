"""Every option of a run: one frozen class, the only place of defaults, and the recipes as sets of its values.

The defaults are the recipe ``improved``. The recipe ``paper`` is a set of other values for the same options, so
each difference between the two can be switched alone, e.g. ``make_config("spring_color", coordinates="released")``.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from .system import ConfigError, fact, fields_of, nearest, option, options
from .tasks import LARGE_IMAGE, TASKS, Task

# What an option shapes: all but "run" decide on the result; "run" only on where it is kept, and on what is reported.
PARTS = ("model", "data", "training", "run")
SHAPING = PARTS[:-1]
model, data, training, run = (functools.partial(option, part=part) for part in PARTS)


@options
class Config:
    """All options of one run. Make it with :func:`make_config`, which knows the recipes."""

    # What to run
    task: str = model("spring_color", f"which task: {', '.join(TASKS)}")
    recipe: Literal["improved", "paper"] = model(
        "improved", "improved: CPU minutes; paper: faithful to the authors' code, hours on a CPU"
    )
    seed: int = training(0, "fixes initial weights and batches", ge=0, le=2**32 - 1)
    save_dir: str = run("", "folder of the results; empty: reports/runs/<task>/<recipe>-s<seed>, numbered if taken")
    overwrite: bool = run(False, "replace a run that save_dir already holds")
    resume: bool = run(False, "resume the interrupted run in save_dir")

    # Data
    data_dir: str = run("", "folder with data files; empty: data/datasets, simulated where missing")
    simulate: bool = run(False, "simulate what is missing in data_dir, too")
    truth: str = data("", "other true constants to simulate with, e.g. 'k=2.5,l=7'; empty: the task's")
    data_seed: int = data(0, "which videos to simulate: each number stands for another data set", ge=0)
    n_train: int = data(5000, "training sequences to simulate", ge=1)
    n_eval: int = data(500, "validation and test sequences to simulate", ge=1)
    datapoints: int = data(0, "train on the first N sequences only; 0: all", ge=0)
    color: bool = model(True, "False: grey frames (the mean of the channels)")

    # Model
    encoder_type: Literal["center_of_mass", "mlp"] = model(
        "center_of_mass", "centre of mass of mask * (frame - background)^2, or the authors' MLP and U-Net"
    )
    logit_gain: float = model(30.0, "factor of the mask logits; breaks the symmetry between objects", gt=0)
    mask_background: bool = model(False, "a constant background logit takes part in the masks' softmax")
    unet_precision: Literal["float32", "bfloat16"] = training(
        "float32", "number format of the U-Net's convolutions; bfloat16 is faster where the hardware has it"
    )
    refine_steps: int = model(0, "Gauss-Newton steps that move positions until the drawn frame fits", ge=0)
    decoder_type: Literal["spatial_transformer", "turning_transformer", "mlp"] = model(
        "spatial_transformer", "placed templates, templates that also turn, or a black-box network"
    )
    coordinates: Literal["exact", "released"] = model(
        "exact", "template placement: exact, or as released (lengths come out S/(S-1) too long)"
    )
    window_edge: Literal["taper", "cut"] = model("taper", "templates end in a one-pixel taper or in a cut")
    background_init: Literal["median_frame", "mean_frame", "network"] = training(
        "median_frame", "background before training"
    )
    velocity_type: Literal["fit", "difference_mlp", "mlp", "linear"] = model(
        "fit", "velocity at frame L: fitted through the physics, difference + MLP, MLP (paper), or linear (alt_vel)"
    )
    start_prior: bool = model(True, "correct the estimated state by what the starts of training scenes have in common")
    cell_type: Literal["task", "lstm", "interaction", "video_lstm"] = model(
        "task", "dynamics: the task's physics, a black box on positions, or an LSTM on whole frames without objects"
    )
    recurrent_units: int = model(100, "width of the black box", ge=1)
    lstm_layers: int = model(1, "depth of the LSTM", ge=1)
    substeps: int = model(5, "Euler steps per frame inside the model", ge=1)

    # Training, stage by stage; 0 steps leave a stage out. The paper has the last stage only.
    locality_steps: int = training(60, "steps of the stage locality: each mask covers one compact region", ge=0)
    decoder_steps: int = training(100, "steps of the stage decoder: templates, on single frames", ge=0)
    vision_steps: int = training(50, "steps of the stage vision: encoder and decoder, on single frames", ge=0)
    dynamics_steps: int = training(400, "steps of the stage dynamics: velocity and physics, on positions", ge=0)
    dynamics_lr: float = training(2e-3, "learning rate of the stage dynamics", gt=0)
    dynamics_sequences: int = training(2000, "training sequences whose positions are used; 0: all", ge=0)
    backward_loss: float = training(1.0, "weight of the rollout back to the input frames", ge=0)
    physics_lr_scale: float = training(10.0, "learning rate of physical constants relative to the rest", gt=0)
    epochs: int = training(0, "passes over the training set with the paper's loss: the stage joint", ge=0)
    batch_size: int = training(100, "sequences per step of the stage joint", ge=1)
    base_lr: float = training(1e-3, "learning rate of the stage joint", gt=0)
    anneal_lr: bool = training(True, "lower the learning rate towards the end")
    training_signal: Literal["joint", "separate", "autoencoder"] = training(
        "joint", "what the prediction loss trains: everything, only velocity and physics, or nothing"
    )
    autoencoder_loss: float = training(3.0, "weight of the reconstruction next to the prediction", ge=0)
    optimizer: Literal["adam", "rmsprop", "momentum", "sgd"] = training("adam", "optimiser of all stages")
    clip_value: float = training(0.0, "largest absolute value of a gradient element; 0: no limit", ge=0)
    clip_norm: float = training(10.0, "largest norm of the gradient; 0: no limit", ge=0)

    # Reporting and testing
    eval_every_n_epochs: int = run(1, "epochs between evaluations", ge=1)
    save_every_n_epochs: int = run(5, "epochs between checkpoints", ge=1)
    print_interval: int = run(50, "steps between progress lines", ge=1)
    test_mode: bool = run(False, "no training: evaluate the checkpoint")
    use_ckpt: bool = training(False, "start from the checkpoint in ckpt_dir; training continues with the stage joint")
    ckpt_dir: str = training("", "folder of the checkpoint to start from; empty: save_dir")

    def __post_init__(self) -> None:
        object_stages = ("locality_steps", "decoder_steps", "vision_steps", "dynamics_steps")
        if self.cell_type == "video_lstm" and any(getattr(self, name) for name in object_stages):
            raise ConfigError(f"cell_type video_lstm has no objects: set {', '.join(object_stages)} to 0")
        if self.training_signal != "joint" and not self.epochs:
            raise ConfigError(f"training_signal {self.training_signal} needs the stage joint: set epochs above 0")


def differing(ours: object, theirs: object, *parts: str) -> list[str]:
    """Names of the options of some parts in which two sets of options are not equal."""
    fields = fields_of(type(ours)).items()
    return [n for n, field in fields if fact(field, "part") in parts and getattr(ours, n) != getattr(theirs, n)]


# Values of options that differ from the defaults above: recipe -> ("all" tasks or one task) -> values.
RECIPES: dict[str, dict[str, dict[str, object]]] = {
    "improved": {
        "all": {},
        # A wall hit within the first frames makes the fitted state ambiguous; a polynomial cannot correct that.
        "bouncing_balls": {"autoencoder_loss": 2.0, "start_prior": False},
        "mnist_spring_color": {"refine_steps": 4, "decoder_steps": 300, "vision_steps": 0, "dynamics_sequences": 500},
        "3bp_color": {"autoencoder_loss": 5.0, "physics_lr_scale": 30.0},
    },
    "paper": {
        "all": {
            "encoder_type": "mlp",
            "logit_gain": 1.0,
            "mask_background": True,
            "coordinates": "released",
            "window_edge": "cut",
            "background_init": "network",
            "velocity_type": "mlp",
            "start_prior": False,
            "locality_steps": 0,
            "decoder_steps": 0,
            "vision_steps": 0,
            "dynamics_steps": 0,
            "backward_loss": 0.0,
            "physics_lr_scale": 1.0,
            "epochs": 500,
            "base_lr": 6e-4,
            "optimizer": "rmsprop",
            "clip_value": 1.0,
            "clip_norm": 0.0,
        },
        "bouncing_balls": {"autoencoder_loss": 2.0, "base_lr": 3e-4},
        "3bp_color": {"autoencoder_loss": 5.0, "base_lr": 1e-3},
    },
}

# The authors' options with their defaults (runners/run_base.py and run_physics.py of their repository). Those without a
# field above, and their values that have another name here, are accepted wherever options are.
AUTHORS_DEFAULTS: dict[str, object] = {
    "task": "", "model": "PhysicsNet", "epochs": 10, "batch_size": 100, "base_lr": 1e-3, "anneal_lr": True,
    "optimizer": "rmsprop", "autoencoder_loss": 0.0, "encoder_type": "conv_encoder", "decoder_type": "conv_st_decoder",
    "cell_type": "", "recurrent_units": 100, "lstm_layers": 1, "alt_vel": False, "color": False, "datapoints": 0,
    "save_dir": "", "use_ckpt": False, "ckpt_dir": "", "test_mode": False, "save_every_n_epochs": 5,
    "eval_every_n_epochs": 1, "print_interval": 10, "debug": False,
}  # fmt: skip
AUTHORS_NAMES = tuple(name for name in AUTHORS_DEFAULTS if name not in fields_of(Config))
AUTHORS_VALUES: dict[str, dict[object, str]] = {
    "encoder_type": {"conv_encoder": "mlp"},
    "decoder_type": {"conv_st_decoder": "spatial_transformer"},
    "cell_type": {f"{law}_ode_cell": "task" for law in ("bouncing", "spring", "gravity")},
}


def make_config(task: str | Task = "spring_color", recipe: str = "improved", **options: object) -> Config:
    """The options of a run: defaults, then the recipe's values, then the given ones (None: as the recipe says).

    Args:
        task: one of the catalogue by its name, or a task of your own (which is then handed to the run, too).
    Raises:
        ConfigError: for an unknown option or a value that is not allowed; the message names both.
    """
    given = _ours({name: value for name, value in options.items() if value is not None})
    for name in (name for name, field in fields_of(Config).items() if field.annotation is bool):
        if (text := str(given.get(name)).lower()) in ("true", "false"):  # papermill hands over text
            given[name] = text == "true"
    for name in ("save_dir", "data_dir", "ckpt_dir"):  # paths are made absolute once, where they enter
        if isinstance(path := given.get(name), str) and path:
            given[name] = str(Path(path).expanduser().absolute())
    own = task if isinstance(task, Task) else None
    name = own.name if own else task
    if own is None and task not in TASKS:
        raise ConfigError(f"task must be one of {', '.join(TASKS)}, got {task!r}{nearest(str(task), TASKS)}")
    values = RECIPES.get(recipe, {}) if isinstance(recipe, str) else {}
    config = Config(task=name, recipe=recipe, **{**values.get("all", {}), **values.get(name, {}), **given})
    task_of(config, own)  # refuses what does not go together
    return config


def _ours(given: dict[str, object]) -> dict[str, object]:
    """Options with the authors' names and values translated."""
    if (model := given.pop("model", "PhysicsNet")) != "PhysicsNet":
        raise ConfigError(
            f"model is PhysicsNet, got {model!r}: the networks are chosen by encoder_type and decoder_type"
        )
    if str(given.pop("alt_vel", False)).lower() == "true":
        given["velocity_type"] = "linear"
    given.pop("debug", None)  # a gradient that is not finite is always reported with its place
    for name, values in AUTHORS_VALUES.items():
        if name in given:
            given[name] = values.get(given[name], given[name])
    return given


def saved_config(values: Mapping[str, object]) -> Config:
    """The options that a run has written down; an option that is newer than the run has its default.

    Raises:
        ConfigError: for an option that this version does not have, or a value that it does not allow.
    """
    if unknown := sorted(values.keys() - fields_of(Config).keys()):
        raise ConfigError(f"made by another version, with other options: {', '.join(unknown)}")
    return Config(**values)


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
    part = 8 if config.encoder_type == "mlp" and task.image_size >= LARGE_IMAGE else 4
    if task.image_size % part:
        raise ConfigError(f"the U-Net halves the image: {part} does not divide {task.image_size} pixels")
    fits, backwards = config.velocity_type == "fit", config.backward_loss or config.start_prior
    if config.cell_type not in ("task", "video_lstm") and (fits or backwards):
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
        raise ConfigError(f"cell_type {config.cell_type} takes no actions, which {task.name} has: set it to task")
    return task
