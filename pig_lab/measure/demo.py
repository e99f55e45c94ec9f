"""The demonstration clip: ``python -m pig_lab.measure.demo`` renders it again and draws the README's picture."""

from pathlib import Path

import imageio.v3 as imageio

from pig_core.system import project_root, replacing

DEMO = project_root() / "reports" / "results" / "clips" / "demo.mp4"
KIND, SEED = "pendulum", 3

PICTURE = project_root() / "reports" / "measure.jpg"


def picture(path: Path = PICTURE) -> None:
    """The measured clip at a third of it and near its end, side by side."""
    import numpy as np

    from .measure import measure
    from .options import Options
    from .results import overlay

    found = measure(Options(str(DEMO)))
    count = len(found.clip.frames)
    with replacing(path) as temporary:
        imageio.imwrite(temporary, np.concatenate(list(overlay(found, [count // 3, count - 4])), 1), quality=85)


if __name__ == "__main__":
    from .rendered import render

    render(KIND, SEED).write(DEMO)
    picture()
