"""A headless Chromium without a network, that remembers what went wrong on a page."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

# The project brings no browser; playwright drives the one that is installed.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
# What a reader would stumble over: evaluates to a list of sentences.
AUDIT = (Path(__file__).parent / "audit.js").read_text()


@contextmanager
def browser_tab(**context):
    """Yields a tab and the lists of problems and of addresses that its page asked for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_context(**context).new_page()
        problems, requests = [], []
        tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        yield tab, problems, requests
        browser.close()
