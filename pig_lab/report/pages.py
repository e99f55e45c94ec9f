"""The pages of the report in the order of their bar: the Makefile builds them, every page links them."""

from pathlib import Path

from pig_core.system import project_root
from pig_core.tasks import TASKS

# Page -> what the bar calls it. A page is made from the notebook of its name, "index" from report.ipynb and those of
# tasks from task.ipynb.
PAGES = {
    "index": "Report",
    "walkthrough": "By hand",
    **{name: task.title.capitalize() for name, task in TASKS.items()},
    "paper": "The paper's recipe",
    "ablations": "Comparisons",
    "robustness": "How far to trust it",
    "data": "The videos",
    "real_clips": "Real clips",
    "control": "Control",
    "glossary": "Glossary",
}


def bar(page: Path) -> list[tuple[str, str, bool]]:
    """Address, label, and whether it is this one, of every page; empty for a page that is not one of them."""
    if page.resolve().parent != (project_root() / "reports").resolve() or page.stem not in PAGES:
        return []
    return [(f"{name}.html", label, name == page.stem) for name, label in PAGES.items()]
