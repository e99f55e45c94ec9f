"""The demonstration clip: ``python -m pig_core.measure.demo`` renders it again and draws the README's picture."""

from pathlib import Path

import imageio.v3 as imageio

from ..common.files import project_root, replacing

DEMO = project_root() / "reports" / "results" / "clips" / "demo.mp4"
KIND, SEED = "pendulum", 3

PICTURE = project_root() / "reports" / "measure.jpg"


def picture(path: Path = PICTURE) -> None:
    """The measured clip at three quarters and at its end, side by side."""
    import numpy as np

    from .measure import measure
    from .options import Options
    from .results import overlay

    frames = overlay(measure(Options(str(DEMO))))
    with replacing(path) as temporary:
        imageio.imwrite(temporary, np.concatenate([frames[len(frames) // 3], frames[-4]], 1), quality=85)


if __name__ == "__main__":
    from .rendered import render

    render(KIND, SEED).write(DEMO)
    picture()
