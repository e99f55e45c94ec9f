"""The rendered page in a real browser without a network: no request, no error, formulas drawn, buttons that work."""

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from pig_core.common.errors import RunError
from pig_core.report.page import formulas_to_mathml, render
from pig_core.report.player import player

from .browser import browser_tab, needs_chromium


def test_formulas_become_mathml_and_code_stays_code():
    text = formulas_to_mathml("with $k$ and $$a = \\frac{b}{2}$$ but `echo $HOME $PATH` and\n```\nx = '$y$'\n```")
    assert text.count("<math") == 2
    assert "<mfrac>" in text
    assert "`echo $HOME $PATH`" in text
    assert "'$y$'" in text


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with everything a page can hold."""
    frames = np.zeros((5, 40, 60, 3), np.uint8)
    frames[np.arange(5), :, 10 * np.arange(5)] = 255
    shown = player(frames, [f"frame {i + 1}" for i in range(5)], "a moving line", milliseconds=50)
    outputs = [
        new_output("stream", name="stdout", text="step 1\n"),
        new_output("stream", name="stdout", text="step 2\n"),
        new_output("display_data", {"text/html": shown.data, "text/plain": ""}),
        new_output("display_data", {"text/markdown": "| $k$ | 3.99 |\n| --- | --- |\n| $l$ | 6.0 |"}),
    ]
    notebook = new_notebook(cells=[
        new_markdown_cell("# A title & more\n\nThe force is $F = k\\,(|d| - 2l)$, and\n\n$$a_i = -g \\sum_j x_{ij}$$"),
        new_code_cell("print('hello')", outputs=outputs),
    ])  # fmt: skip
    notebook.metadata["papermill"] = {"parameters": {"task": "3bp_color"}}  # as papermill leaves it
    folder = tmp_path_factory.mktemp("page")
    nbformat.write(notebook, folder / "run.ipynb")
    render(folder / "run.ipynb", folder / "page.html")
    return folder / "page.html"


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_works_offline(page, scheme):
    view = {"width": 390, "height": 800}
    with browser_tab(offline=True, color_scheme=scheme, viewport=view) as (tab, problems, requests):
        tab.goto(page.as_uri())
        tab.wait_for_timeout(300)
        assert tab.title() == "3bp_color: A title & more"
        assert "$" not in tab.inner_text("main")
        assert tab.locator("math").count() == 4
        assert tab.locator("math[display=block]").bounding_box()["height"] > 10
        assert tab.locator("pre", has_text="step 1").inner_text().split() == ["step", "1", "step", "2"]
        assert not tab.get_by_text("hello").is_visible()  # code is folded
        tab.get_by_text("code", exact=True).click()
        assert tab.get_by_text("hello").is_visible()
        _check_player(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert not problems
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def _check_player(tab):
    parts = (".pig-time", ".pig-play", ".pig-bar input")
    label, button, slider = (tab.locator(f".pig-player {part}") for part in parts)
    seen = {label.inner_text() for _ in range(20) if tab.wait_for_timeout(20) is None}
    assert len(seen) > 2  # it plays
    assert "pause" in button.inner_text()
    button.click()
    assert "play" in button.inner_text()
    still = label.inner_text()
    tab.wait_for_timeout(200)
    assert label.inner_text() == still
    slider.evaluate("slider => { slider.value = 3; slider.dispatchEvent(new Event('input')); }")
    assert label.inner_text() == "frame 4"
    canvas = tab.locator(".pig-player canvas")
    column = canvas.evaluate("c => c.getContext('2d').getImageData(30, 5, 1, 1).data[0]")
    assert column == 255  # the fourth frame's line


def test_what_is_not_a_notebook_is_refused(tmp_path):
    with pytest.raises(RunError, match="there is no notebook"):
        render(tmp_path / "none.ipynb", tmp_path / "page.html")
    (tmp_path / "bad.ipynb").write_text("{")
    with pytest.raises(RunError, match="is not a notebook"):
        render(tmp_path / "bad.ipynb", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
