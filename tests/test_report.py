"""The committed report in a browser: no page needs a network, each reads everywhere and says what the results say."""

import re
from pathlib import Path

import pytest

from pig_lab.report.page import PAGES
from pig_lab.report.results import load_results
from pig_lab.report.tables import headline

from .browser import AUDIT, browser_tab, needs_chromium

REPORTS = Path(__file__).resolve().parents[1] / "reports"
WIDTHS = (390, 768, 1280, 1440)
PAPER = 673  # pixels across of an A4 page within its margins, at 96 to the inch


@pytest.fixture(scope="module")
def browser():
    """One tab for all pages, with what went wrong in it and what it asked for."""
    with browser_tab(offline=True, viewport={"width": WIDTHS[0], "height": 800}) as opened:
        yield opened


@pytest.fixture
def tab(browser):
    """The tab on a phone, in the light, with nothing to say yet."""
    tab, problems, requests = browser
    problems.clear(), requests.clear()
    tab.emulate_media(media="screen", color_scheme="light")
    tab.set_viewport_size({"width": WIDTHS[0], "height": 800})
    return browser


def test_every_page_of_the_bar_is_committed_and_no_other():
    assert sorted(path.stem for path in REPORTS.glob("*.html")) == sorted(PAGES)


@needs_chromium
@pytest.mark.parametrize("name", PAGES)
def test_a_committed_page_works_offline_and_reads_everywhere(name, tab):
    tab, problems, requests = tab
    page = REPORTS / f"{name}.html"
    assert page.stat().st_size < 4 * 2**20
    tab.goto(page.as_uri())
    tab.wait_for_function("[...document.images].every(image => image.complete)")
    _check_content(tab)
    found = {}
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 800})
        tab.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        found[f"{width} px, light"] = tab.evaluate(AUDIT)
    tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for scheme in ("dark", "light"):
        tab.emulate_media(color_scheme=scheme)
        tab.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        found[f"opened, {scheme}"] = tab.evaluate(AUDIT)
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": PAPER, "height": 900})
    found["on paper"] = [what for what in tab.evaluate(AUDIT) if "px:" not in what]  # a sheet is held nearer
    assert tab.locator("nav").filter(visible=True).count() == 0
    assert {where: what for where, what in found.items() if what} == {}
    assert not problems
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def _check_content(tab):
    """Nothing that went wrong, pictures with words, captions with numbers, links that lead somewhere."""
    text = tab.locator("main").inner_text()
    assert "$" not in text
    assert "Traceback" not in text
    assert tab.locator(".output_error").count() == 0
    for alt in tab.eval_on_selector_all(
        "main img, .pig-figure", "all => all.map(one => one.alt ?? one.ariaLabel ?? '')"
    ):
        assert len(alt) > 20
        assert "No description" not in alt
    assert tab.locator("main img").evaluate_all("all => all.filter(one => one.naturalWidth <= 100).length") == 0
    for button in tab.locator("button").all():
        assert button.inner_text().strip()
    for kind in ("Figure", "Table"):
        numbers = re.findall(rf"^{kind} (\d+)\.", "\n".join(tab.locator("figcaption").all_inner_texts()), re.M)
        assert numbers == [str(i + 1) for i in range(len(numbers))]
    assert tab.locator("main table th:not([scope])").count() == 0
    assert tab.locator("main :is(h1, h2, h3):not([id])").count() == 0
    links = tab.eval_on_selector_all("body a", "all => all.map(one => one.getAttribute('href'))")
    assert {f"{name}.html" for name in PAGES} <= set(links)
    ids = set(tab.eval_on_selector_all("[id]", "all => all.map(one => one.id)"))
    for link in links:
        assert link.startswith("https://") or (REPORTS / link).is_file() or link.removeprefix("#") in ids, link


def test_the_report_shows_the_committed_results():
    wanted = headline(load_results().query("recipe == 'improved'")).data.strip("*")
    page = re.sub(r"<[^>]+>|\s+", " ", (REPORTS / "index.html").read_text())
    assert re.sub(r"\s+", " ", wanted.replace("`", " ")) in re.sub(r" +", " ", page), "run: make report"
