"""Fixtures that several test files share."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pig_core.config import make_config

HERE = Path(__file__).resolve().parent
# The small vectors are kept with the tests; the large ones lie beside the checkout where the project is developed.
GOLDEN = (HERE / "vectors", HERE.parents[1] / "shared" / "golden")

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


def golden(name: str) -> dict[str, np.ndarray]:
    """Vectors computed by the authors' implementation; a user's checkout has only some of them."""
    path = next((folder / name for folder in GOLDEN if (folder / name).is_file()), None)
    if path is None:
        pytest.skip(f"the authors' reference vectors {name} are not here")
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


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
