"""Full runs, hours each: what the project keeps of one, and what makes its constants what they are.

``python -m pig_core keep RUN_FOLDER ...`` writes into reports/results, or into ``--into`` a folder in it: the result,
its thinned curves, one video with what the model made of it (``shown``), and an explanation (``explained``). With
``--restart`` it only adds what becomes of velocity and constants that start anew (:mod:`pig_core.studies.restart`).
For the file of kept weights in place of a folder, only the explanation is made anew.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..common.errors import RunError
from ..common.files import CHECKPOINT, METRICS, replacing, results_folder, write_json
from ..common.machine import commit, provenance
from ..data.videos import load_frames
from ..encoder import BACKGROUND_LOGIT
from ..evaluation.pictures import to_bytes
from ..runs.checkpoint import save_small
from ..runs.trained import Trained, open_checkpoint
from .explain import explain
from .measures import steps_to_discovery
from .restart import STARTS, restarts

POINTS = 400  # of a run's curves that are kept
VIDEOS = 600  # fresh ones, that an explanation looks at


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


def keep_restarts(run: Path, into: Path, names: Sequence[str]) -> Path:
    """Start velocity and constants of a finished run anew, in the ways named; returns the path of what came out.

    What other ways gave before stays in the file.

    Raises:
        RunError: if the folder holds no checkpoint.
    """
    trained, about = open_checkpoint(run / CHECKPOINT), {"commit": commit(), **provenance(torch.device("cpu"))}
    task, config = trained.task, replace(trained.config, data_dir="")  # the run may be from another machine
    frames = load_frames(config, "train", task.train_length, task)[:, : task.seen_steps]
    path = into / "restart" / "{task}-{recipe}-s{seed}.json".format(**vars(trained.config))
    for name, found in restarts(trained, frames, names):  # each is kept as soon as it has ended
        before = json.loads(path.read_text()) if path.is_file() else {}
        write_json(path, before | {name: found | about | {"curves": thinned(found["curves"])}})
    return path


def thinned(curves: list[dict[str, object]]) -> list[dict[str, object]]:
    """Some hundred points of a run's curves, numbers to five digits; the first and the last one stay."""
    chosen = np.unique(np.linspace(0, len(curves) - 1, POINTS).round().astype(int))
    short = {float: lambda value: float(f"{value:.5g}")}
    return [{name: short.get(type(v), lambda v: v)(v) for name, v in curves[i].items()} for i in chosen]


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
    given = parser.parse_args(arguments)
    for run in given.runs:
        into = results_folder() / given.into
        if run.is_file():
            print(explain_again(run), flush=True)
        else:
            found = keep_restarts(run, into, given.restart) if given.restart else keep(run, into, given.weights)
            print(found, flush=True)
