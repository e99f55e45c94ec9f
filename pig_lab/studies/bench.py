"""Run times on one machine: ``make bench``; some parts: ``python -m pig_core bench step data``.

Steps are repeated in processes of their own: median, smallest and largest. Each part is a row of
``reports/results/benchmarks.jsonl``. Nothing here is a test: times depend on the machine, only ratios within one row
carry over to another one. The part ``tracker`` is an experiment and runs only if it is named. Rows without a part here
(``noise``, ``late``, ``linear``, ``vectors``, ...) were measured once, by programs at the commit that they name.
"""

import argparse
import copy
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import torch
import torch.nn.functional as F
from torch import Tensor

from pig_core.build import build_model
from pig_core.config import make_config
from pig_core.encoder import BACKGROUND_LOGIT
from pig_core.model import PAIG, video_losses
from pig_core.system import commit, keep_freed_memory, project_root, provenance, replacing, results_folder
from pig_core.tasks import TASKS

from ..report.results import BENCHMARKS, nan_to_null
from .robustness import measure

STEPS = {"spring_color": 5, "3bp_color": 3, "mnist_spring_color": 2}  # repetitions
BATCH = 100  # sequences, as in the paper


class PlainPAIG:
    """The paper's model in the plainest form: frame by frame, object by object, with PyTorch's own sampling.

    Slow on purpose. It shares weights and physics with the model that it is compared with, and nothing else: tests
    check that both give the same losses, the benchmark how much time the other one saves.
    """

    def __init__(self, model: PAIG):
        self.model = copy.deepcopy(model).to(memory_format=torch.contiguous_format)

    def losses(self, video: Tensor) -> dict[str, Tensor]:
        model, end = self.model, self.model.input_steps + self.model.pred_steps
        positions = torch.stack([self._encode(video[:, t].contiguous()) for t in range(end)], 1)
        rollout, _ = model.predict(positions[:, : model.input_steps], video.shape[1] - model.input_steps)
        recons = [self._squared_error(positions[:, t], video[:, t]) for t in range(end)]
        ahead = [self._squared_error(rollout[:, t], video[:, model.input_steps + t]) for t in range(model.pred_steps)]
        return {"recons_loss": torch.stack(recons).mean(), "pred_loss": torch.stack(ahead).mean()}

    def _squared_error(self, positions: Tensor, frame: Tensor) -> Tensor:
        return (self._decode(positions) - frame).square().sum((1, 2, 3)).mean()

    def _encode(self, frame: Tensor) -> Tensor:
        """Frame (B, C, S, S) to positions (B, K, 2), one object after the other."""
        encoder, localiser = self.model.encoder, self.model.encoder.localiser
        logits = encoder.unet(frame) * encoder.logit_gain
        masks = torch.cat([logits, torch.full_like(logits[:, :1], BACKGROUND_LOGIT)], 1).softmax(1)
        places = []
        for k in range(logits.shape[1]):
            masked = F.avg_pool2d(masks[:, k : k + 1] * frame, localiser.pooling)
            half = localiser.image_size / 2
            places.append(localiser.mlp(masked.permute(0, 2, 3, 1).flatten(1)).tanh() * half + half)
        return torch.stack(places, 1)

    def _decode(self, positions: Tensor) -> Tensor:
        """Draw positions (B, K, 2) as a frame (B, C, S, S): released placement, hard cut."""
        decoder, size = self.model.decoder, self.model.decoder.image_size
        h, sigma = decoder.template_size, decoder.log_sigma.exp()
        line = torch.linspace(-1, 1, size, device=positions.device, dtype=positions.dtype)
        logits, contents = [], []
        for k in range(positions.shape[1]):
            shift = (size / 2 - positions[:, k]) / (size / 2)  # (B, 2)
            x = (line + shift[:, :1]) * sigma  # (B, S)
            y = (line + shift[:, 1:]) * sigma
            to_sample = (h - 1.01) / (h - 1)  # the authors' template coordinate in the convention of grid_sample
            x, y = ((u + 1) * to_sample - 1 for u in (x, y))
            grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), -1)  # (B, S, S, 2)
            inside = (grid.abs() <= 1).all(-1).unsqueeze(1)
            for image, drawn in ((decoder.template()[k] + 5, logits), (decoder.content()[k].sigmoid(), contents)):
                sampled = F.grid_sample(image.expand(len(grid), *image.shape), grid, align_corners=True)
                drawn.append(sampled * inside)
        logits = [logit - 5 for logit in logits]
        masks = torch.cat([*logits, torch.full_like(logits[0], BACKGROUND_LOGIT)], 1).softmax(1)
        picture = masks[:, -1:] * decoder.background()
        for k, content in enumerate(contents):
            picture = picture + masks[:, k : k + 1] * content
        return picture


def seconds_of(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def spread(action: Callable[[], object], n: int) -> dict[str, float]:
    """Median, smallest and largest seconds of n timings."""
    seconds = [seconds_of(action) for _ in range(n)]
    return {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds), "n": n}


def time_step(name: str, how: str, repeat: int, batch: int = BATCH, **changes: int) -> dict[str, float]:
    """Seconds of one forward and backward pass of the recipe ``paper`` on one core, or on the GPU if there is one.

    Args:
        name: of the task.
        how: "float32" or "bfloat16" (ours, with that precision), or "plain" (:class:`PlainPAIG`).
        changes: of the task's facts, e.g. ``n_objects=3``.
    """
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if how != "plain":
        keep_freed_memory()
    task = replace(TASKS[name], name="measured", **changes)
    config = replace(make_config(name, "paper", unet_precision=None if how == "plain" else how), task=task.name)
    model = build_model(config, task).to(device)
    plain = PlainPAIG(model)
    video = torch.rand(batch, task.seen_steps, 3, task.image_size, task.image_size).to(device)

    def step() -> None:
        if how == "plain":
            losses = plain.losses(video)
        else:
            losses = video_losses(model(video), video, task.input_steps, task.pred_steps)
        (losses["pred_loss"] + losses["recons_loss"]).backward()
        if device.type == "cuda":
            torch.cuda.synchronize()

    step()  # warm-up
    return spread(step, repeat)


def elsewhere(*arguments: object, **changes: int) -> dict[str, float]:
    """:func:`time_step` in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(time_step, *arguments, **changes).result()


def step() -> dict:
    """One training step of the recipe ``paper``, batch 100, one core, against the plain reference."""
    return {
        task: {how: elsewhere(task, how, repeat) for how in ("plain", "float32", "bfloat16")}
        for task, repeat in STEPS.items()
    }


def data() -> dict:
    """All data files of all tasks on all cores: seconds, and the most memory that all processes had together, GB."""
    with tempfile.TemporaryDirectory() as folder:
        start, most = time.perf_counter(), 0
        command = [sys.executable, "-m", "pig_core", "data", "--data_dir", folder]
        process = psutil.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            most = max(most, _memory(process))
            time.sleep(0.2)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        files = len(list(Path(folder).rglob("*.npz")))
    return {"seconds": time.perf_counter() - start, "gigabytes": most / 1e9, "files": files}


def _memory(process: psutil.Process) -> int:
    total = 0
    for part in [process, *process.children(recursive=True)]:
        try:
            total += part.memory_full_info().uss
        except psutil.Error:  # it has just ended
            pass
    return total


def tracker() -> dict:
    """Constants that a plain tracker measures in 100 fresh videos, in colour and in grey."""
    torch.set_num_threads(1)
    kinds = {"color": True, "grey": False}
    return {name: {kind: measure(task, color) for kind, color in kinds.items()} for name, task in TASKS.items()}


def report() -> dict:
    """``make report`` with everything installed."""
    make = partial(subprocess.run, ["make", "report"], cwd=project_root(), check=True, stdout=subprocess.DEVNULL)
    return {"seconds": seconds_of(make)}


COSTS = {part.__name__: part for part in (step, data, report)}
PARTS = COSTS | {"tracker": tracker}


def main(arguments: list[str] | None = None) -> None:
    """Measure the parts that are named, all costs if none is, and write a row for each."""
    parser = argparse.ArgumentParser("python -m pig_core bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", help=f"which ones of {', '.join(PARTS)}; if none is named: {', '.join(COSTS)}"
    )
    parts = parser.parse_args(arguments).parts or COSTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}; allowed: {', '.join(PARTS)}")
    for name in parts:
        print(f"{name} ...", flush=True)
        about = {"commit": commit(), **provenance(), "cores": os.cpu_count()}
        row = {"part": name, "what": " ".join(PARTS[name].__doc__.split()), "result": PARTS[name](), **about}
        write_row(row)
        print(json.dumps(row["result"], indent=1), flush=True)


def write_row(row: dict[str, object]) -> None:
    """Put the row of a part into the table, in place of its last one."""
    path = results_folder() / BENCHMARKS
    lines = path.read_text().splitlines() if path.is_file() else []
    lines = [line for line in lines if json.loads(line)["part"] != row["part"]]
    lines.append(json.dumps(nan_to_null(row), separators=(",", ":"), ensure_ascii=False))
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in sorted(lines)))
