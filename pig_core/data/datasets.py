"""Every data file at once, one process per core: ``python -m pig_core data [task ...]`` or ``make data``.

Nothing needs this: a run simulates the two files of its task itself, if they are not there.
"""

import argparse
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

from ..common.machine import keep_freed_memory
from ..common.progress import Progress
from ..config import Config, make_config
from ..tasks import TASKS
from .videos import ensure_file


def make_all(tasks: Sequence[str], processes: int = 0, **options: object) -> list[Path]:
    """Simulate what is missing of the data files of several tasks.

    Args:
        processes: files made at a time; 0: one for each core.
        options: of :class:`Config`, e.g. ``data_dir`` or ``n_train``.
    Returns:
        the paths of all files, those that were there already included.
    Raises:
        ConfigError, DataError, SimulationError: as a run would.
    """
    configs = [make_config(task, simulate=True, **options) for task in tasks]
    jobs = [(c, length) for c in configs for length in (TASKS[c.task].train_length, TASKS[c.task].test_length)]
    jobs.sort(key=lambda job: job[1] * TASKS[job[0].task].image_size ** 2, reverse=True)  # the longest first
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of the children: each has one core
    # Fresh processes: a fork would copy PyTorch's threads in whatever state they are.
    context = multiprocessing.get_context("spawn")
    paths = []
    with ProcessPoolExecutor(processes or os.cpu_count(), context, _one_thread) as pool:
        waiting = [pool.submit(ensure_file, *job) for job in jobs]
        try:
            with Progress("data", len(jobs), interval=1) as progress:
                for done in as_completed(waiting):
                    paths.append(done.result())
                    progress.advance(paths[-1].name)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return paths


def _one_thread() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()


def main(arguments: list[str] | None = None) -> None:
    """Make the data files of the tasks that are named."""
    parser = argparse.ArgumentParser("python -m pig_core data", description=__doc__.splitlines()[0])
    parser.add_argument(
        "tasks", nargs="*", metavar="task", help=f"which ones; all if none is named ({', '.join(TASKS)})"
    )
    parser.add_argument("--data_dir", help=Config.__dataclass_fields__["data_dir"].metadata["help"])
    given = parser.parse_args(arguments)
    make_all(given.tasks or list(TASKS), data_dir=given.data_dir)
