"""Fixtures that several test files share."""

import sys

import numpy as np
import pytest
import torch

from pig_core.config import Config, make_config, task_of
from pig_core.data import Videos, load_videos

# A run of seconds: every stage is passed through, nothing is learned.
TINY = {
    "n_train": 60,
    "n_eval": 12,
    "simulate": True,
    "locality_steps": 2,
    "decoder_steps": 2,
    "vision_steps": 2,
    "dynamics_steps": 2,
}
# What makes such a run one of the stage joint alone, as the paper's.
JOINT_ONLY = {"locality_steps": 0, "decoder_steps": 0, "vision_steps": 0, "dynamics_steps": 0}


def load(config: Config, split: str, length: int) -> Videos:
    """One split of a data file of the catalogue's task."""
    return load_videos(config, task_of(config), split, length)


def figures_in(outputs: list[dict]) -> int:
    """How many figures a notebook's outputs show, drawn as SVG (within HTML) or as a picture."""
    shown = [output.get("data", {}) for output in outputs]
    return sum('class="pig-figure"' in data.get("text/html", "") or "image/png" in data for data in shown)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A folder that small data files are simulated into, once for all tests."""
    return tmp_path_factory.mktemp("datasets")


@pytest.fixture
def tiny(data_dir):
    """make_config for runs of seconds, e.g. ``tiny("3bp_color", seed=1)``."""

    def make(task="spring_color", recipe="improved", **options):
        return make_config(task, recipe, **{"data_dir": str(data_dir), **TINY, **options})

    return make


@pytest.fixture(autouse=True)
def _main_module():
    """An IPython shell in a test replaces the main module, which processes that are spawned later look for."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
