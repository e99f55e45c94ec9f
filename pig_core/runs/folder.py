"""The folder that a run owns: named or numbered, never one that holds something else."""

import itertools
from pathlib import Path

from ..common.errors import RunError
from ..common.files import CHECKPOINT, METRICS, UNFINISHED, runs_folder
from ..config import Config


def choose_folder(config: Config) -> Path:
    """The folder of this run, checked: a named one must not hold a run yet, an unnamed one gets a free number.

    Raises:
        RunError: if ``save_dir`` holds a run and neither ``overwrite`` nor a checkpoint option allows that, or if
            there is nothing to resume.
    """
    default = runs_folder() / config.task / f"{config.recipe}-s{config.seed}"
    folder = Path(config.save_dir) if config.save_dir else default
    try:
        if folder.exists() and not folder.is_dir():
            raise RunError(f"save_dir {folder} is a file, not a folder")
    except OSError as error:
        raise RunError(f"save_dir {folder} cannot be used: {error.strerror}") from error
    if config.resume and not (folder / UNFINISHED).is_file():
        raise RunError(f"there is nothing to resume in {folder}: no training was interrupted there")
    if _may_hold_a_run(config) or not config.save_dir:  # for an unnamed one claim_folder finds a free number
        return folder
    held = [name for name in (METRICS, CHECKPOINT, UNFINISHED) if (folder / name).exists()]
    if held:
        hint = "go on with it by resume=True, " if UNFINISHED in held else ""
        raise RunError(f"{folder} already holds a run ({held[0]}): {hint}choose another save_dir or set overwrite=True")
    return folder


def _may_hold_a_run(config: Config) -> bool:
    return config.overwrite or config.resume or (config.use_ckpt and not config.ckpt_dir)


def claim_folder(config: Config, folder: Path) -> Path:
    """Make the folder; an unnamed run gets one that nobody had before, with a number behind its name if need be.

    Raises:
        RunError: if the folder cannot be made.
    """
    this_one = bool(config.save_dir) or _may_hold_a_run(config)
    for number in itertools.count(1):
        free = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            free.mkdir(parents=True, exist_ok=this_one)
            return free
        except FileExistsError:
            if this_one:
                raise RunError(f"save_dir {folder} is a file, not a folder") from None
        except OSError as error:
            raise RunError(f"cannot make the folder {free}: {error.strerror}") from error
