"""Every option of a run: one frozen dataclass, the only place of defaults, and the recipes as sets of its values.

The defaults are the recipe ``improved``. The recipe ``paper`` is a set of other values for the same options, so
each difference between the two can be switched alone, e.g. ``make_config("spring_color", coordinates="released")``.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from dataclasses import dataclass

from .common.errors import ConfigError
from .common.options import checked, option
from .tasks import TASKS


@dataclass(frozen=True)
class Config:
    """All options of one run. Make it with :func:`make_config`, which knows the recipes."""

    # What to run
    task: str = option("spring_color", "which data set", choices=tuple(TASKS))
    recipe: str = option(
        "improved",
        "improved: CPU minutes; paper: faithful to the authors' code, hours on a CPU",
        choices=("improved", "paper"),
    )
    seed: int = option(0, "fixes initial weights and batches", least=0, most=2**32 - 1)
    device: str = option("auto", "auto takes a GPU if there is one", choices=("auto", "cpu", "cuda"))
    save_dir: str = option("", "folder of the results; empty: reports/runs/<task>/<recipe>-s<seed>, numbered if taken")
    overwrite: bool = option(False, "replace a run that save_dir already holds")
    resume: bool = option(False, "go on with the interrupted run in save_dir")

    # Data
    data_dir: str = option("", "folder with data files; empty: data/datasets, simulated where missing")
    simulate: bool = option(False, "simulate what is missing in data_dir, too")
    truth: str = option("", "other true parameters to simulate with, e.g. 'k=2.5,l=7'; empty: the task's")
    n_train: int = option(5000, "training sequences to simulate", least=1)
    n_eval: int = option(500, "validation and test sequences to simulate", least=1)
    datapoints: int = option(0, "train on the first so many sequences only; 0: on all", least=0)
    color: bool = option(True, "False: show the model a grey image (the mean of the channels)")

    # Model
    architecture: str = option(
        "paig",
        "objects and physics, or (a baseline without either) frames, an LSTM and frames again",
        choices=("paig", "video_lstm"),
    )
    encoder_type: str = option(
        "center_of_mass",
        "centre of mass of mask * (frame - background)^2, or (paper) an MLP",
        choices=("center_of_mass", "mlp"),
    )
    logit_gain: float = option(30.0, "mask logits are multiplied by this; breaks the symmetry of objects", above=0)
    mask_background: bool = option(False, "a constant background logit takes part in the masks' softmax")
    unet_base: int = option(8, "channels of the U-Net's first level", least=1)
    unet_precision: str = option(
        "float32",
        "numbers that the U-Net's convolutions compute with; bfloat16 is quicker where the hardware has it",
        choices=("float32", "bfloat16"),
    )
    unet_poolings: int = option(2, "times the U-Net halves the image", least=1)
    mask_pooling: int = option(1, "masked frames are average-pooled by this before the MLP encoder", least=1)
    refine_steps: int = option(0, "Gauss-Newton steps that move positions until the drawn frame fits", least=0)
    refine_search: float = option(0.0, "pixels around each position where the refinement looks for a start", least=0)
    decoder_type: str = option(
        "spatial_transformer",
        "placing learned pictures, or (a baseline) a network told a position",
        choices=("spatial_transformer", "mlp"),
    )
    coordinates: str = option(
        "exact",
        "template placement: pixel exact, or as released (lengths come out S/(S-1) too long)",
        choices=("exact", "released"),
    )
    window_edge: str = option("taper", "templates end in a one-pixel taper or in a cut", choices=("taper", "cut"))
    background_init: str = option(
        "median_frame", "background before training", choices=("median_frame", "mean_frame", "network")
    )
    velocity_type: str = option(
        "fit",
        "velocity at frame L: fitted to the input positions through the physics, difference + MLP, or MLP (paper)",
        choices=("fit", "difference_mlp", "mlp"),
    )
    start_prior: bool = option(
        True, "correct the estimated state by what the starts of the training scenes have in common"
    )
    alt_vel: bool = option(False, "the authors' alternative velocity: one linear layer on position differences")
    cell_type: str = option(
        "task",
        "dynamics: the task's physics, or a black box (LSTM, interaction network)",
        choices=("task", "lstm", "interaction"),
    )
    recurrent_units: int = option(100, "width of the black box", least=1)
    lstm_layers: int = option(1, "depth of the lstm", least=1)
    substeps: int = option(5, "Euler steps per frame inside the model", least=1)

    # Training, stage 1, "locality": the encoder learns that an object is in one place. Stages of 0 steps are left
    # out; the paper has the last one only.
    locality_steps: int = option(60, "steps", least=0)
    locality_batch: int = option(32, "single frames per step", least=1)
    locality_lr: float = option(4e-3, "learning rate", above=0)
    locality_balance: float = option(20.0, "weight of an even share of the picture for each object, px^2", least=0)
    mask_candidates: int = option(8, "sets of masks that learn side by side; the most local one is kept", least=1)
    # Stage 2, "decoder": the decoder learns to draw what the encoder found, on single frames.
    decoder_steps: int = option(100, "steps", least=0)
    # Stage 3, "vision": encoder and decoder together, on single frames.
    vision_steps: int = option(50, "steps", least=0)
    vision_batch: int = option(64, "single frames per step of stages 2 and 3", least=1)
    vision_lr: float = option(2e-3, "learning rate of stages 2 and 3", above=0)
    # Stage 4, "dynamics": velocity and physics on the positions that the trained encoder sees.
    dynamics_steps: int = option(400, "steps", least=0)
    dynamics_batch: int = option(128, "sequences per step", least=1)
    dynamics_lr: float = option(2e-3, "learning rate", above=0)
    dynamics_sequences: int = option(2000, "training sequences whose positions are used; 0: all", least=0)
    backward_loss: float = option(1.0, "weight of the rollout back to the input frames", least=0)
    physics_lr_scale: float = option(10.0, "learning rate of physical parameters relative to the rest", above=0)
    # Stage 5, "joint": everything together on sequences with the paper's loss.
    epochs: int = option(0, "passes over the training set with the paper's loss: the joint stage", least=0)
    batch_size: int = option(100, "sequences per step of the joint stage", least=1)
    base_lr: float = option(1e-3, "learning rate of the joint stage", above=0)
    anneal_lr: bool = option(True, "lower the learning rate towards the end")
    training_signal: str = option(
        "joint",
        "what learns from the prediction: everything, only velocity and physics (separate), or nothing (autoencoder)",
        choices=("joint", "separate", "autoencoder"),
    )
    autoencoder_loss: float = option(3.0, "weight of the reconstruction next to the prediction", least=0)
    optimizer: str = option("adam", "optimiser of all stages", choices=("adam", "rmsprop", "momentum", "sgd"))
    clip_value: float = option(0.0, "largest absolute value of a gradient element; 0: no limit", least=0)
    clip_norm: float = option(10.0, "largest norm of the gradient; 0: no limit", least=0)

    # Watching and testing
    eval_every_n_epochs: int = option(1, "epochs between evaluations", least=1)
    save_every_n_epochs: int = option(5, "epochs between checkpoints", least=1)
    print_interval: int = option(50, "steps between progress lines", least=1)
    test_mode: bool = option(False, "no training: evaluate the checkpoint")
    use_ckpt: bool = option(False, "start from the checkpoint in ckpt_dir; training goes on with the joint stage")
    ckpt_dir: str = option("", "folder of the checkpoint to start from; empty: save_dir")
    debug: bool = option(False, "stop at the first non-finite gradient and say where it arose")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = checked(field, getattr(self, field.name), _TYPES[field.name])
            object.__setattr__(self, field.name, value)
        self.true_parameters()  # refuses a malformed truth
        size = TASKS[self.task].image_size
        for name, part in (("unet_poolings", 2**self.unet_poolings), ("mask_pooling", self.mask_pooling)):
            if size % part:
                raise ConfigError(f"{name} is {getattr(self, name)}, but {size} pixels cannot be divided by {part}")
        fits = self.velocity_type == "fit" and not self.alt_vel
        if self.cell_type != "task" and (fits or self.backward_loss or self.start_prior):
            raise ConfigError(
                f"cell_type {self.cell_type} cannot run backwards in time: set velocity_type to difference_mlp or mlp "
                f"(now {self.velocity_type}), backward_loss to 0 (now {self.backward_loss:g}) and start_prior to "
                f"False (now {self.start_prior})"
            )
        object_stages = ("locality_steps", "decoder_steps", "vision_steps", "dynamics_steps")
        if self.architecture == "video_lstm" and any(getattr(self, name) for name in object_stages):
            raise ConfigError(f"architecture video_lstm knows no objects: set {', '.join(object_stages)} to 0")
        if self.training_signal != "joint" and not self.epochs:
            raise ConfigError(f"training_signal {self.training_signal} is about the joint stage: set epochs above 0")

    def true_parameters(self) -> dict[str, float]:
        """The physical parameters that the data is simulated with (for simulation and judgement only)."""
        truth = dict(TASKS[self.task].truth)
        for part in filter(None, self.truth.replace(" ", "").split(",")):
            name, _, text = part.partition("=")
            try:
                value = float(text)
            except ValueError:
                value = math.nan
            if name not in truth or not 0 < value < math.inf:
                allowed = ", ".join(f"{n}=<positive number>" for n in truth) or "nothing: the task has no parameters"
                raise ConfigError(f"truth has {part!r}; {self.task} allows {allowed}")
            truth[name] = value
        return truth


# Values of options that differ from the defaults above: recipe -> ("all" tasks or one task) -> values.
RECIPES: dict[str, dict[str, dict[str, object]]] = {
    "improved": {
        "all": {},
        # A wall hit within the first frames makes the fitted state ambiguous; a polynomial cannot mend that.
        "bouncing_balls": {"autoencoder_loss": 2.0, "start_prior": False},
        "mnist_spring_color": {
            "refine_steps": 4,
            "refine_search": 4.0,
            "decoder_steps": 300,
            "vision_steps": 0,
            "vision_batch": 32,
            "dynamics_sequences": 500,
        },
        "3bp_color": {"autoencoder_loss": 5.0, "physics_lr_scale": 30.0},
    },
    "paper": {
        "all": {
            "encoder_type": "mlp",
            "logit_gain": 1.0,
            "coordinates": "released",
            "background_init": "network",
            "mask_background": True,
            "window_edge": "cut",
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
        "mnist_spring_color": {"unet_base": 16, "unet_poolings": 3, "mask_pooling": 2},
        "3bp_color": {"autoencoder_loss": 5.0, "base_lr": 1e-3},
    },
}

_FIELDS = {field.name: field for field in dataclasses.fields(Config)}
_TYPES = typing.get_type_hints(Config)


def make_config(task: str = "spring_color", recipe: str = "improved", **options: object) -> Config:
    """The options of a run: defaults, then the recipe's values, then the given ones (None: as the recipe says).

    Raises:
        ConfigError: for an unknown option or a value that is not allowed; the message names both.
    """
    for name in options:
        if name not in _FIELDS:
            near = difflib.get_close_matches(name, _FIELDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"unknown option {name!r}{hint} Allowed: {', '.join(_FIELDS)}")
    task = checked(_FIELDS["task"], task, str)
    recipe = checked(_FIELDS["recipe"], recipe, str)
    given = {name: value for name, value in options.items() if value is not None}
    values = {**RECIPES[recipe]["all"], **RECIPES[recipe].get(task, {}), **given}
    return Config(task=task, recipe=recipe, **values)
