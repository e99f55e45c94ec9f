"""How long a page of the report takes from the disk to its first picture in a browser, without a network."""

import shutil
from collections.abc import Sequence
from pathlib import Path

# The project brings no browser; playwright drives the one that is installed.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_PAINTED = "performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0]"


def launched(playwright):
    """A headless Chromium of playwright's."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])


def first_paints(pages: Sequence[Path], repeat: int = 3) -> dict[str, float]:
    """Milliseconds to the first contentful paint by page, the median of some visits; empty without a Chromium."""
    if CHROMIUM is None:
        return {}
    from playwright.sync_api import sync_playwright

    found = {}
    with sync_playwright() as playwright:
        browser = launched(playwright)
        for page in pages:
            times = []
            for _ in range(repeat):
                tab = browser.new_context(offline=True).new_page()
                tab.goto(page.as_uri())
                tab.wait_for_function(f"{_PAINTED} !== undefined")
                times.append(tab.evaluate(_PAINTED))
                tab.close()
            found[page.stem] = sorted(times)[repeat // 2]
        browser.close()
    return found
