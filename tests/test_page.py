"""The rendered page in a real browser without a network: no request, no error, formulas drawn, buttons that work."""

import itertools
import re
import xml.etree.ElementTree as ElementTree

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.text import Text
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from pig_core.system import RunError
from pig_lab.report import svg
from pig_lab.report.article import formulas_to_mathml, retitle
from pig_lab.report.labels import joined, label_ends
from pig_lab.report.page import render
from pig_lab.report.player import player
from pig_lab.report.style import table, use_style

from .browser import AUDIT, browser_tab, needs_chromium


def test_formulas_become_mathml_and_code_stays_code():
    text = formulas_to_mathml("with $k$ and $$a = \\frac{b}{2}$$ but `echo $HOME $PATH` and\n```\nx = '$y$'\n```")
    assert text.count("<math") == 2
    assert "<mfrac>" in text
    assert "`echo $HOME $PATH`" in text
    assert "'$y$'" in text


def test_a_table_escapes_every_text_and_rounds_every_number():
    frame = pd.DataFrame({"<clip>": ["<b>", "b"], "error": [0.01234, np.nan], "k": [12345.6, 3.14159], "n": [3, 40]})
    shown = table(frame, {"error": "+.1f"}, {"error": "%"}, {"<clip>": ["javascript:a b", "https://b.org/?c&d"]})
    soup = BeautifulSoup(shown.data, "html.parser")
    assert [head.get_text() for head in soup.find_all("th")] == ["<clip>", "error, %", "k", "n"]
    cells = [[cell.get_text() for cell in row.find_all("td")] for row in soup.tbody.find_all("tr")]
    assert cells == [["<b>", "+0.0", "12346", "3"], ["b", "", "3.14", "40"]]
    assert [link["href"] for link in soup.find_all("a")] == ["javascript%3Aa%20b", "https://b.org/?c&d"]
    assert not soup.find("b")


def two_panels():
    """A figure of two charts, wider than a phone, whose second panel leaves its numbers to the first."""
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
    for ax, title in ((left, "one"), (right, "other")):
        ax.plot([0, 1, 2], [1, 3, 9], color="0.4", label="a line")
        ax.set(yscale="log", title=title, xlabel="time in seconds")
    left.set_ylabel("loss")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center")
    plt.close(figure)
    return figure


@pytest.fixture(scope="module")
def drawn():
    return svg.html(two_panels())


def test_a_figure_is_drawn_the_same_every_time_and_once_for_each_width(drawn):
    figure = two_panels()
    assert drawn == svg.html(figure)
    whole, *panels = map(ElementTree.fromstring, re.findall(r"<svg.*?</svg>", drawn))
    assert len(panels) == 2
    texts = [{"".join(text.itertext()) for text in one.iter("{http://www.w3.org/2000/svg}text")} for one in panels]
    for shown, title in zip(texts, ("one", "other"), strict=True):
        assert {title, "loss", "time in seconds", "1", "10"} - shown <= {"1", "10"}
        assert len(shown & {"1", "2", "3", "5", "10"}) >= 2  # an axis with one number says nothing
    assert ("a line" in texts[0], "a line" in texts[1]) == (False, True)
    assert float(whole.get("width").removesuffix("pt")) == 8 * 72
    assert figure.get_figwidth() == 8  # as it was
    ids = [id for one in (whole, *panels) for part in one.iter() if (id := part.get("id"))]
    assert len(ids) == len(set(ids))
    assert "#666666" not in drawn  # greys follow the page


def test_panels_that_look_the_same_in_two_figures_have_ids_of_their_own(drawn):
    figure = two_panels()
    figure.axes[0].set_title("another one")  # the second panel is as before
    ids = [set(re.findall(r' id="([^"]*)"', text)) for text in (drawn, svg.html(figure))]
    assert min(map(len, ids)) > 2
    assert not ids[0] & ids[1]


def test_lines_are_called_by_their_names_at_their_ends():
    """Labels lie beside the ends of their lines, none over another one, and lines that end together share one."""
    figure, ax = plt.subplots(figsize=(5, 3))
    for seed, end in enumerate((0, 0.001, 0.5, 0.56, 1)):
        ax.plot([0, 1], [0.2, end], label=f"seed {seed}")
    ax.plot([0, 1], [0, 1], label="_not told")
    label_ends(ax)
    ax.set_ylim(0, 2)  # later than the labels
    svg.tidy(figure)
    figure.draw_without_rendering()
    boxes = {text.get_text(): Text.get_window_extent(text) for text in ax.texts}  # without what leads to them
    plt.close(figure)
    assert list(boxes) == ["seeds 0, 1", "seed 2", "seed 3", "seed 4"]
    heights = [(box.y0, box.y1) for box in boxes.values()]
    assert all(above[0] >= below[1] for below, above in itertools.pairwise(heights))
    ends = [ax.transData.transform((1, y))[1] for y in (0, 0.5, 0.56, 1)]
    for (low, high), end in zip(heights, ends, strict=True):
        assert (low + high) / 2 == pytest.approx(end, abs=high - low)
    assert all(box.x0 > ax.get_window_extent().x1 for box in boxes.values())
    assert all(text.get_fontsize() >= svg.SMALLEST for text in ax.texts)
    assert joined(["seed 3", "seed 1", "seed 2"]) == "seeds 1 to 3"
    assert joined(["k learned", "k true"]) == "k learned, k true"


def test_a_computed_title_takes_the_place_of_the_notebooks():
    title = new_output("display_data", {"text/markdown": "# Found: 3.99"})
    other = new_output("display_data", {"text/markdown": "words"})
    cells = [new_markdown_cell("# A title\n\nIntroduction."), new_code_cell("x", outputs=[title, other])]
    retitle(cells)
    assert cells[0].source == "# Found: 3.99\n\nIntroduction."
    assert cells[1].outputs == [other]


def test_a_strip_of_pictures_stays_whole():
    use_style()
    figure, axes = plt.subplots(1, 5, figsize=(8, 2))
    for ax in axes:
        ax.imshow(np.zeros((4, 4)), interpolation="none")
        ax.set(xticks=[], yticks=[])
    plt.close(figure)
    assert svg.html(figure).count("<svg") == 1


@pytest.fixture(scope="module")
def page(tmp_path_factory, drawn):
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
        new_code_cell("print('hello')", outputs=outputs, metadata={"caption": "Both constants of $F$"}),
        new_code_cell("print('again')"),
        new_markdown_cell("Words.\n\n## A section\n\nMore.\n\n## A section\n\nThe last."),
        new_code_cell("figure", outputs=[
            new_output("display_data", {"text/html": drawn, "text/plain": ""})
        ], metadata={"alt": "Two lines that rise"}),
        new_markdown_cell("## Third\n\n| claim | $k$, as it was recalled | found |\n| --- | --- | --- |\n"
                          "| stiff, $k$, | 4 | on every seed that was tried, and on others too |\n| soft | 1 | |"),
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
        assert tab.locator("math").count() == 7
        assert tab.locator("math[display=block]").bounding_box()["height"] > 10
        assert tab.locator("pre", has_text="step 1").inner_text().split() == ["step", "1", "step", "2"]
        assert not tab.get_by_text("hello").is_visible()  # code is folded, once for each section that has some
        assert tab.locator("details.code").count() == 2
        tab.get_by_text("Code of this section").first.click()
        assert tab.get_by_text("hello").is_visible()
        assert tab.get_by_text("again").is_visible()
        assert tab.locator("figcaption").all_text_contents()[1:] == [
            "Table 1. Both constants of F.", "Figure 1. Two lines that rise.", "Table 2. Third."
        ]  # fmt: skip
        assert tab.locator("tbody th[scope=row]").all_text_contents() == ["l", "stiff, k,", "soft"]
        assert [a.get_attribute("href") for a in tab.locator(".contents a").all()] == [
            "#a-section",
            "#a-section-",
            "#third",
        ]
        panels = tab.get_by_role("img", name="Two lines that rise").locator("svg")
        assert [panel.is_visible() for panel in panels.all()] == [False, True, True]
        color = panels.last.locator("text").first.evaluate("text => getComputedStyle(text).fill")
        assert (sum(map(float, re.findall(r"[\d.]+", color)[:3])) > 1.5) == (scheme == "dark")
        _check_player(tab)
        heads = ['"k, as it was recalled"', '"found"']
        assert _long_rows(tab) == (["", *heads, "", *heads], [True, True])
        number = tab.locator("table.long .number").first
        line = number.evaluate("cell => parseFloat(getComputedStyle(cell).lineHeight)")
        assert number.bounding_box()["height"] > 1.8 * line  # what is before it wraps: it would run into the number
        assert not tab.locator("table.long td").last.is_visible()  # an empty cell takes no line
        assert tab.evaluate(AUDIT) == []
        tab.set_viewport_size({"width": 1280, "height": 800})
        assert _long_rows(tab)[1] == [False, False]
        assert [panel.is_visible() for panel in panels.all()] == [True, False, False]
        assert tab.evaluate(AUDIT) == []
    assert not problems
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def _long_rows(tab):
    """Of a table of long rows: what is written before each cell, and whether the second is below the first, by row."""
    return tuple(
        tab.evaluate("""() => {
        const rows = [...document.querySelectorAll("table.long tbody tr")].map(row => [...row.cells]);
        const before = rows.flat().map(cell => getComputedStyle(cell, "::before").content.replace("none", ""));
        const top = cell => cell.getBoundingClientRect().top;
        return [before, rows.map(([first, second]) => top(second) > top(first) + 10)];
    }""")
    )


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
