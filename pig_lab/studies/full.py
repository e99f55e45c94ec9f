"""Full runs, hours each: what the project keeps of one, and what makes its constants what they are.

``python -m pig_core keep RUN_FOLDER ...`` writes into reports/results, or into ``--into`` a folder in it: the result,
its thinned curves, one video with what the model made of it (``shown``), and an explanation (``explained``). With
``--restart`` it only adds what becomes of velocity and constants that start anew (:mod:`pig_lab.studies.restart`),
with ``--behind`` how far other dynamics predict behind its eyes (:mod:`pig_lab.studies.behind`).
For the file of kept weights in place of a folder, only the explanation is made anew.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pig_core.data import load_videos
from pig_core.encoder import BACKGROUND_LOGIT
from pig_core.evaluate import to_bytes
from pig_core.stages import encode_all
from pig_core.system import (
    CHECKPOINT,
    METRICS,
    Progress,
    RunError,
    commit,
    provenance,
    replacing,
    results_folder,
    write_json,
)
from pig_lab.trained import save_small

from ..trained import Trained, open_checkpoint
from .behind import VARIANTS, behind
from .explain import explain
from .measures import steps_to_discovery, thinned
from .restart import STARTS, restarts

VIDEOS = 600  # fresh ones, that an explanation looks at
# Ways to learn dynamics anew behind a run's eyes: the option and folder -> (run, videos, positions, names) to results.
ANEW = {"restart": restarts, "behind": behind}


def keep(run: Path, into: Path, weights: bool = False) -> Path:
    """Take over a finished run; returns the path of its result.

    Args:
        run: its folder, with its checkpoint.
        into: folder of results.
        weights: keep the small form of the checkpoint, too (3 MB).
    Raises:
        RunError: if the folder does not hold a finished run.
    """
    try:
        metrics, curves = (json.loads((run / name).read_text()) for name in (METRICS, "curves.json"))
        name = "{task}-{recipe}-s{seed}".format(**metrics)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{run} does not hold a finished run ({error})") from None
    trained = open_checkpoint(run / CHECKPOINT, VIDEOS)
    found = steps_to_discovery(pd.DataFrame(curves))
    explained = {"found_at": found, "steps": sum(metrics["steps"].values()), "commit": commit(), **explain(trained)}
    write_json(into / "explained" / f"{name}.json", explained)
    write_json(into / "curves" / f"{name}.json", thinned(curves))
    with replacing(into / "shown" / f"{name}.npz") as temporary:
        np.savez_compressed(temporary, **shown(trained))
    if weights:
        save_small(into / "weights" / f"{name}.safetensors", trained.model, trained.config)
    write_json(into / f"{name}.json", metrics)
    return into / f"{name}.json"


def explain_again(weights: Path) -> Path:
    """Explain a run anew whose weights were kept; returns the path of the explanation.

    Raises:
        RunError: if the file does not lie beside a kept result.
    """
    path = weights.parent.parent / "explained" / f"{weights.stem}.json"
    if not path.is_file():
        raise RunError(f"{weights} does not belong to a kept run: there is no {path}")
    write_json(path, {**json.loads(path.read_text()), "commit": commit(), **explain(open_checkpoint(weights, VIDEOS))})
    return path


def keep_anew(run: Path, into: Path, folder: str, names: Sequence[str]) -> Path:
    """Learn dynamics behind the eyes of a finished run anew, in the ways named; returns the path of what came out.

    What other ways gave before stays in the file.

    Args:
        folder: key of ``ANEW``, and the name of the folder in ``into``.
    Raises:
        RunError: if the folder holds no checkpoint.
    """
    trained, about = open_checkpoint(run / CHECKPOINT), {"commit": commit(), **provenance(torch.device("cpu"))}
    trained = replace(trained, config=replace(trained.config, data_dir=""))  # the run may be from another machine
    task = trained.task
    frames = load_videos(trained.config, task, "train", task.train_length).frames[:, : task.seen_steps]
    path = into / folder / "{task}-{recipe}-s{seed}.json".format(**vars(trained.config))
    for name, found in ANEW[folder](trained, frames, _seen(trained, frames), names):
        before = json.loads(path.read_text()) if path.is_file() else {}  # each is kept as soon as it has ended
        write_json(path, before | {name: found | about})
    return path


def _seen(trained: Trained, frames: Tensor) -> Tensor:
    """Positions (N, L+P, K, 2) that the run's encoder sees in video, uint8 (N, L+P, H, W, 3)."""
    parts = []
    with Progress("encode", 20, interval=1) as progress:
        for part in frames.split(math.ceil(len(frames) / 20)):
            parts.append(encode_all(trained.model, trained.config.color, part))
            progress.advance()
    return torch.cat(parts)


def shown(trained: Trained, index: int = 0) -> dict[str, np.ndarray]:
    """One fresh video and what the model makes of it, uint8: "video", "recons", "prediction" (T, S, S, C), "masks".

    And what it draws objects with: "templates", (K, h, h, C), contents times masks.
    """
    evaluation, output = trained.evaluation, trained.evaluation.output
    pictures = {"video": evaluation.video, "recons": output.recons, "prediction": output.prediction}
    masks = (output.masks[index] * 255).round().byte().numpy()  # (L+P, K, S, S)
    contents, logits, _ = trained.model.appearance()
    drawn = {"masks": masks, "templates": to_bytes(contents * (logits - BACKGROUND_LOGIT).sigmoid())}
    return {**{name: to_bytes(images[index]) for name, images in pictures.items()}, **drawn}


def main(arguments: list[str]) -> None:
    """Keep the runs whose folders are named."""
    parser = argparse.ArgumentParser("python -m pig_core keep", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_FOLDER", help="or the file of kept weights")
    parser.add_argument("--into", default="", help="folder in reports/results; empty: that one itself")
    parser.add_argument("--weights", action="store_true", help="keep the weights, too")
    parser.add_argument("--restart", nargs="+", choices=STARTS, help="start the velocity anew, 20 minutes each")
    parser.add_argument("--behind", nargs="+", choices=VARIANTS, help="other dynamics behind its eyes, 2 minutes each")
    given = parser.parse_args(arguments)
    for run in given.runs:
        into = results_folder() / given.into
        if run.is_file():
            print(explain_again(run), flush=True)
        else:
            asked = [(folder, vars(given)[folder]) for folder in ANEW if vars(given)[folder]]
            done = [keep_anew(run, into, *each) for each in asked] or [keep(run, into, given.weights)]
            print(*done, sep="\n", flush=True)
