"""Checkpoints: safetensors files that describe themselves and execute nothing when they are read."""

import dataclasses
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .config import SHAPING, Config, differing, saved_config
from .model import PAIG
from .system import ConfigError, RunError, replacing
from .training import Session

FORMAT = 1  # raise it when checkpoints of the old form can no longer be read


def save_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, object]) -> None:
    """Write tensors and a JSON description into one file, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, {"pig_core": json.dumps({"format": FORMAT, **about})}))


def load_tensors(path: Path, only_about: bool = False) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Read a file written by :func:`save_tensors`, or only what it says about itself.

    Raises:
        RunError: if there is none, or it is damaged, or it is not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("pig_core", "{}"))
            if not (isinstance(about, dict) and isinstance(about.get("config", {}), dict)):
                raise ValueError("its description is not a table of options")
            tensors = {} if only_about else {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise RunError(f"there is no checkpoint {path}") from None
    except (OSError, SafetensorError, ValueError) as error:
        raise RunError(f"checkpoint {path} is damaged or not a safetensors file ({error})") from error
    if "format" not in about:
        raise RunError(f"checkpoint {path} was not written by this program: it does not say which options made it")
    if about["format"] != FORMAT:
        raise RunError(f"checkpoint {path} has format {about['format']}, this version reads format {FORMAT}")
    if "config" not in about:
        raise RunError(f"checkpoint {path} does not say which options made it")
    return tensors, about


def save_model(path: Path, model: PAIG, config: Config) -> None:
    """Write the model's weights together with the options that made it."""
    save_tensors(path, dict(model.state_dict()), {"config": dataclasses.asdict(config)})


def read_config(path: Path) -> Config:
    """The options of the run that wrote a checkpoint.

    Raises:
        RunError: if the file is not a checkpoint, or one with options that this version does not know.
    """
    return _config_in(path, load_tensors(path, only_about=True)[1])


def _config_in(path: Path, about: dict[str, object]) -> Config:
    try:
        return saved_config(about["config"])
    except ConfigError as error:
        raise RunError(f"checkpoint {path} cannot be used: {error}") from error


def load_model(path: Path, model: PAIG, config: Config) -> None:
    """Put the weights of a checkpoint into ``model``, which was built with ``config``.

    Raises:
        RunError: if the checkpoint belongs to another task or another model.
    """
    tensors, about = load_tensors(path)
    other = _config_in(path, about)
    if different := differing(config, other, "model"):
        raise RunError(f"checkpoint {path} is of another model: {_listed(different, config, other)}")
    state, zeros = model.state_dict(), set(about.get("zeros", ()))
    tensors |= {name: torch.zeros_like(tensor) for name, tensor in state.items() if name in zeros}
    _load_weights(path, model, tensors)


def _listed(names: list[str], ours: Config, theirs: Config) -> str:
    return ", ".join(f"{name}={getattr(theirs, name)!r} (here {getattr(ours, name)!r})" for name in names)


def _load_weights(path: Path, model: PAIG, tensors: dict[str, Tensor]) -> None:
    state = model.state_dict()
    kinds, ours = ({n: (t.shape, t.dtype) for n, t in part.items()} for part in (tensors, state))
    if wrong := [name for name in {*kinds, *ours} if kinds.get(name) != ours.get(name)]:
        raise RunError(f"checkpoint {path} does not fit the model: {', '.join(sorted(wrong))}")
    if not all(torch.isfinite(t).all() for t in tensors.values()):
        raise RunError(f"checkpoint {path} holds values that are not finite numbers")
    model.load_state_dict(tensors)


def save_session(path: Path, model: PAIG, config: Config, session: Session, videos: str = "") -> None:
    """Write all that an interrupted training needs to go on bit for bit; ``videos`` names the file it learns from."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, memory in (session.optimizer or {}).items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(v) for name, v in memory.items() if v is not None}
    position = {name: value for name, value in vars(session).items() if name not in ("optimizer", "on_step", "live")}
    about = {"config": dataclasses.asdict(config), "session": position, "videos": videos}
    save_tensors(path, tensors, about | {"threads": torch.get_num_threads()})


def load_session(path: Path, model: PAIG, config: Config, videos: str = "") -> Session:
    """Put an interrupted training's weights into ``model`` and return where it was.

    Raises:
        RunError: if what shapes the result is not what the training was started with (a task of one's own changed,
            say, and with it the videos), or the file is damaged.
    """
    tensors, about = load_tensors(path)
    other = _config_in(path, about)
    changed = differing(config, other, *SHAPING)
    if changed or "session" not in about:
        raise RunError(f"{path} was left by a run with other options: {_listed(changed, config, other) or 'unknown'}")
    if (left := about.get("videos") or videos) != videos:
        raise RunError(f"{path} was left by a run on other videos, {left} (here {videos})")
    if isinstance(threads := about.get("threads"), int) and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, threads))  # with another number the same sums have other last bits
    position = dict(about["session"])
    weights, optimizer = {}, {}
    for key, tensor in tensors.items():
        part, _, name = key.partition(".")
        if part == "model":
            weights[name] = tensor
        else:
            index, _, name = name.partition(".")
            optimizer.setdefault(int(index), {})[name] = tensor
    _load_weights(path, model, weights)
    return Session(**position, optimizer=optimizer if position["step"] else None)
