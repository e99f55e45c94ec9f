"""The demonstration clip and how it was made: ``python -m pig_core.measure.demo`` renders it again."""

from ..common.files import project_root

DEMO = project_root() / "reports" / "results" / "clips" / "demo.mp4"
KIND, SEED = "pendulum", 3

if __name__ == "__main__":
    from .rendered import render

    render(KIND, SEED).write(DEMO)
