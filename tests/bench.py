"""What everything costs, measured on one machine: ``make bench``, or some parts: ``python -m tests.bench step data``.

Steps are repeated in processes of their own: median, smallest and largest. All is written to
``reports/results/benchmarks/<part>.json`` and shown in the report. Nothing here is a test: times depend on the machine,
only ratios within one file say something anywhere.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
import torch

from pig_core import tasks
from pig_core.common.files import project_root, write_json
from pig_core.common.machine import keep_freed_memory
from pig_core.common.provenance import commit, provenance
from pig_core.config import make_config
from pig_core.data.datasets import make_all
from pig_core.model import video_losses
from pig_core.report.results import results_folder
from pig_core.runs.build import build_model
from pig_core.runs.run import choose_device

from .plain import PlainPAIG

STEPS = {"spring_color": 5, "3bp_color": 3, "mnist_spring_color": 2}  # repetitions
BATCH = 100  # sequences, as in the paper
# Growth: one quantity at a time, starting from spring_color with a batch of 20.
GROWTH = {
    "batch": (5, 10, 20, 50, 100),
    "frames": (8, 10, 14, 22, 38),  # L + P, L = 4
    "objects": (2, 3, 4, 6, 8),
    "image size": (16, 32, 48, 64, 96),
}


def spread(seconds: list[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds), "n": len(seconds)}


def time_step(task: str, how: str, repeat: int, batch: int = BATCH, **changes: int) -> dict[str, float]:
    """Seconds of one forward and backward pass of the recipe ``paper``.

    Args:
        how: "float32" or "bfloat16" (ours, with that precision), or "plain" (see :mod:`tests.plain`).
        changes: of the task's facts.
    """
    torch.set_num_threads(1)
    device = choose_device("auto")
    if how != "plain":
        keep_freed_memory()
    about = tasks.TASKS[task] = replace(tasks.TASKS[task], **changes)
    model = build_model(make_config(task, "paper", unet_precision="float32" if how == "plain" else how)).to(device)
    plain = PlainPAIG(model)
    video = torch.rand(batch, about.input_steps + about.pred_steps, 3, about.image_size, about.image_size).to(device)

    def step() -> float:
        start = time.perf_counter()
        if how == "plain":
            losses = plain.losses(video)
        else:
            losses = video_losses(model(video), video, about.input_steps, about.pred_steps)
        (losses["pred_loss"] + losses["recons_loss"]).backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    step()  # warm-up
    return spread([step() for _ in range(repeat)])


def elsewhere(*arguments: object) -> dict[str, float]:
    """:func:`time_step` with these arguments (a task, how, repetitions, then name=value) in a fresh process."""
    command = [sys.executable, "-m", "tests.bench", "--one", *map(str, arguments)]
    done = subprocess.run(command, cwd=project_root(), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def step() -> dict:
    """One training step of the recipe ``paper``, batch 100, one core, against the plain reference."""
    return {
        task: {how: elsewhere(task, how, repeat) for how in ("plain", "float32", "bfloat16")}
        for task, repeat in STEPS.items()
    }


def growth() -> dict:
    """How the step of the recipe ``paper`` grows with the size of what it is given."""
    names = {"batch": "batch", "objects": "n_objects", "image size": "image_size"}
    result = {}
    for quantity, values in GROWTH.items():
        for value in values:
            change = f"pred_steps={value - 4}" if quantity == "frames" else f"{names[quantity]}={value}"
            batch = [] if quantity == "batch" else ["batch=20"]
            result.setdefault(quantity, {})[value] = elsewhere("spring_color", "float32", 3, change, *batch)
    return result


def seeds() -> dict:
    """Two seeds of spring_color: one after the other on all cores, and side by side on one core each."""

    def run(seed: int, threads: int, folder: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "pig_core", "--seed", str(seed), "--save_dir", f"{folder}/{threads}-{seed}"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": str(threads)})

    def finish(process: subprocess.Popen) -> None:
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, process.args)

    make_all(["spring_color"])  # both runs find their data there
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        for seed in (0, 1):
            finish(run(seed, os.cpu_count(), folder))
        middle = time.perf_counter()
        for process in [run(seed, 1, folder) for seed in (0, 1)]:
            finish(process)
        return {"one after the other": middle - start, "side by side": time.perf_counter() - middle}


def data() -> dict:
    """All data files of all tasks on all cores: seconds, and the most memory that all processes had together, GB."""
    code = "import sys; from pig_core.data.datasets import main; sys.exit(main(['--data_dir', sys.argv[1]]))"
    with tempfile.TemporaryDirectory() as folder:
        start, most = time.perf_counter(), 0
        process = psutil.Popen([sys.executable, "-c", code, folder], stdout=subprocess.DEVNULL)
        while process.poll() is None:
            most = max(most, _memory(process))
            time.sleep(0.2)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args)
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


def imports() -> dict:
    """Importing the package, and everything that a run needs."""

    def once(module: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
        return time.perf_counter() - start

    return {module: spread([once(module) for _ in range(5)]) for module in ("pig_core", "pig_core.run")}


def report() -> dict:
    """``make report`` with everything installed; the report then shows this figure of the time before."""
    start = time.perf_counter()
    subprocess.run(["make", "report"], cwd=project_root(), check=True, stdout=subprocess.DEVNULL)
    return {"seconds": time.perf_counter() - start}


PARTS = {part.__name__: part for part in (step, growth, seeds, data, imports, report)}


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"which ones; all if none is named: {', '.join(PARTS)}")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        task, how, repeat, *changes = given.one
        changes = {name: int(value) for name, value in (change.split("=") for change in changes)}
        print(json.dumps(time_step(task, how, int(repeat), **changes)))
        return
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}; allowed: {', '.join(PARTS)}")
    for name in given.parts or PARTS:
        print(f"{name} ...", flush=True)
        about = {"commit": commit(), **provenance(choose_device("auto")), "cores": os.cpu_count()}
        result = {"what": " ".join(PARTS[name].__doc__.split()), "result": PARTS[name](), **about}
        write_json(results_folder() / "benchmarks" / f"{name}.json", result)
        print(json.dumps(result["result"], indent=1), flush=True)


if __name__ == "__main__":
    main()
