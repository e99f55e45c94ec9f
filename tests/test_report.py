"""The committed report: every page opens without a network, and says what the committed results say."""

import re
from pathlib import Path

import pytest

from pig_core.report.results import load_results
from pig_core.report.tables import headline
from pig_core.tasks import TASKS

from .browser import browser_tab, needs_chromium

REPORTS = Path(__file__).resolve().parents[1] / "reports"
PAGES = [
    REPORTS / f"{name}.html"
    for name in ("index", "walkthrough", "data", "paper", "robustness", "ablations", "real_clips", *TASKS)
]


@needs_chromium
@pytest.mark.parametrize("page", [*PAGES, REPORTS / "control.html"], ids=lambda p: p.stem)
def test_a_committed_page_works_offline(page):
    assert page.stat().st_size < 8 * 2**20
    view = {"width": 390, "height": 800}
    with browser_tab(offline=True, color_scheme="dark", viewport=view) as (tab, problems, requests):
        tab.goto(page.as_uri())
        tab.wait_for_timeout(500)
        assert "$" not in tab.locator("main").inner_text()
        assert "Traceback" not in tab.locator("main").inner_text()
        assert tab.locator(".output_error").count() == 0
        for picture in tab.locator("main img").all():
            alt = picture.get_attribute("alt") or ""
            assert len(alt) > 20
            assert "No description" not in alt
            assert picture.evaluate("image => image.naturalWidth") > 100
        for button in tab.locator("button").all():
            assert button.inner_text().strip()
        links = [a.get_attribute("href") for a in tab.locator("main a").all()]
        assert all((REPORTS / link).is_file() for link in links if not link.startswith(("#", "https://")))
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert not problems
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


@needs_chromium
def test_the_first_animation_plays():
    with browser_tab(offline=True) as (tab, _, _):
        tab.goto((REPORTS / "index.html").as_uri())
        label = tab.locator(".pig-player output").first
        seen = {label.inner_text() for _ in range(10) if tab.wait_for_timeout(150) is None}
        assert len(seen) > 2


def test_the_report_shows_the_committed_results():
    wanted = headline(load_results().query("recipe == 'improved'")).data.strip("*")
    page = re.sub(r"<[^>]+>|\s+", " ", (REPORTS / "index.html").read_text())
    assert re.sub(r"\s+", " ", wanted.replace("`", " ")) in re.sub(r" +", " ", page), "run: make report"


def test_every_page_links_back_and_is_linked_from_the_report():
    index = (REPORTS / "index.html").read_text()
    for page in PAGES[1:]:
        assert f'href="{page.name}"' in index
        assert 'href="index.html"' in page.read_text()
