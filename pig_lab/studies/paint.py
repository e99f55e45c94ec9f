"""How long a page of the report takes in a browser: from the disk to its first picture, and to answer a slider."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

# The project brings no browser; playwright drives the one that is installed.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_PAINTED = "performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0]"
_ASKED = ".pig-whatif, .pig-clip"  # panels that say how long their last answer took
_MOVED = """panels => panels.flatMap(panel => Array.from({ length: 40 }, (_, i) => {
    const slider = panel.querySelector(".pig-slider input");
    slider.value = slider.max * i / 39;
    slider.dispatchEvent(new Event("input"));
    return Number(panel.dataset.milliseconds);
}))"""


def launched(playwright):
    """A headless Chromium of playwright's."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])


def first_paints(pages: Sequence[Path], repeat: int = 3) -> dict[str, float]:
    """Milliseconds to the first contentful paint by page, the median of some visits; empty without a Chromium."""

    def painted(tab) -> float:
        tab.wait_for_function(f"{_PAINTED} !== undefined")
        return tab.evaluate(_PAINTED)

    return _visited(pages, lambda visit: median(visit(painted) for _ in range(repeat)))


def slider_moves(pages: Sequence[Path]) -> dict[str, float]:
    """Milliseconds from a slider's move to its answer, drawn: the median of 40, for each page that has a what-if."""

    def moved(tab) -> float | None:
        if not tab.locator(_ASKED).count():
            return None
        tab.wait_for_selector(f":is({_ASKED})[data-milliseconds]")
        return median(tab.eval_on_selector_all(_ASKED, _MOVED))

    return {page: time for page, time in _visited(pages, lambda visit: visit(moved)).items() if time is not None}


def _visited(pages: Sequence[Path], measured: Callable) -> dict:
    """By page what ``measured`` says, which is handed a function: it opens the page and calls another with the tab."""
    if CHROMIUM is None:
        return {}
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launched(playwright)

        def visit(page: Path, look: Callable):
            tab = browser.new_context(offline=True).new_page()
            tab.goto(page.as_uri())
            found = look(tab)
            tab.close()
            return found

        found = {page.stem: measured(lambda look, page=page: visit(page, look)) for page in pages}
        browser.close()
    return found
