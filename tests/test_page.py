"""Notebooks as pages, in a real browser without a network: no request, no error, formulas drawn, nothing unescaped."""

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from pig_lab.report import page
from pig_lab.report.page import formulas_to_mathml, render, retitle
from pig_lab.report.panels import player
from pig_lab.report.style import figure_html, plain, table, use_style

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


def test_a_computed_title_takes_the_place_of_the_notebooks():
    title = new_output("display_data", {"text/markdown": "# Found: 3.99"})
    other = new_output("display_data", {"text/markdown": "words"})
    cells = [new_markdown_cell("# A title\n\nIntroduction."), new_code_cell("x", outputs=[title, other])]
    retitle(cells)
    assert cells[0].source == "# Found: 3.99\n\nIntroduction."
    assert cells[1].outputs == [other]


def lines():
    use_style()
    figure, ax = plt.subplots(figsize=(8, 3))
    ax.plot([0, 1, 2], [1, 3, 9], label="a line")
    ax.imshow(np.eye(4), interpolation="none")
    ax.set(xlabel="time in seconds", ylabel="loss")
    plt.close(figure)
    return figure


@pytest.fixture(scope="module")
def drawn():
    assert figure_html(lines()) == figure_html(lines())  # a page changes only if its content does
    return figure_html(lines())


HOSTILE = "<img src=x onerror=alert(1)> *a* `b` $c$ [d](javascript:alert(1))"


@pytest.fixture(scope="module")
def made(tmp_path_factory, drawn):
    """A page with everything a page can hold."""
    frames = np.zeros((5, 40, 60, 3), np.uint8)
    frames[np.arange(5), :, 10 * np.arange(5)] = 255
    shown = player(frames, [f"frame {i + 1}" for i in range(5)], "a moving line", milliseconds=50)
    out = [
        new_output("stream", name="stdout", text="step 1\n"),
        new_output("stream", name="stdout", text="step 2\n"),
        new_output("display_data", {"text/html": shown.data, "text/plain": ""}),
        new_output("display_data", {"text/html": table(pd.DataFrame({"name": [HOSTILE], "k": [3.99]})).data}),
    ]
    figures = [new_output("display_data", {"text/html": drawn, "text/plain": ""})] * 2
    notebook = new_notebook(
        cells=[
            new_markdown_cell(
                "# A title & more\n\nThe force is $F = k\\,(|d| - 2l)$, and\n\n$$a_i = -g \\sum_j x_{ij}$$"
            ),
            new_code_cell(
                "print('hello')", outputs=out, execution_count=1, metadata={"caption": "Both constants of $F$"}
            ),
            new_code_cell("print('again')", execution_count=2),
            new_markdown_cell(f"Words.\n\n## A section\n\n{plain(HOSTILE)}\n\n## A section\n\nThe last."),
            new_code_cell("figure", outputs=figures, execution_count=3, metadata={"alt": "Two lines that rise"}),
            new_markdown_cell("## Third\n\n| claim | $k$ |\n| --- | --- |\n| stiff, $k$, | 4 |"),
        ]
    )
    notebook.metadata["papermill"] = {"parameters": {"task": "3bp_color"}}  # as papermill leaves it
    folder = tmp_path_factory.mktemp("page")
    nbformat.write(notebook, folder / "run.ipynb")
    render(folder / "run.ipynb", folder / "page.html")
    return folder / "page.html"


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_works_offline(made, scheme):
    view = {"width": 390, "height": 800}
    with browser_tab(offline=True, color_scheme=scheme, viewport=view) as (tab, problems, requests):
        tab.goto(made.as_uri())
        tab.wait_for_timeout(300)
        assert tab.title() == "3bp_color: A title & more"
        assert tab.locator("math").count() == 5
        assert tab.locator("math[display=block]").bounding_box()["height"] > 10
        assert tab.locator("pre", has_text="step 1").inner_text().split() == ["step", "1", "step", "2"]
        assert not tab.get_by_text("hello").is_visible()  # code is folded at the end
        tab.get_by_text("Code of this page").click()
        assert tab.get_by_text("hello").is_visible()
        assert tab.get_by_text("again").is_visible()
        assert tab.locator("figcaption").all_text_contents()[1:] == [
            "Table 1. Both constants of F.",
            "Figure 1. Two lines that rise.",
            "Table 2. Third.",
        ]
        assert tab.locator("td").first.inner_text() == tab.locator(".text p", has_text="alert").inner_text() == HOSTILE
        assert tab.locator("main img, main em").count() == 0
        links = [a.get_attribute("href") for a in tab.locator(".contents a").all()]
        assert links == ["#a-section", "#a-section-", "#third"]
        figure = tab.locator("figure.drawn").get_by_role("img", name="Two lines that rise")
        assert figure.locator("svg").count() == 2
        assert figure.locator("text", has_text="time in seconds").count() == 2  # real text
        _check_player(tab)
        assert tab.evaluate(AUDIT) == []
        tab.set_viewport_size({"width": 1280, "height": 800})
        assert tab.evaluate(AUDIT) == []
    assert not problems
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def _check_player(tab):
    label, button = tab.locator(".pig-player .pig-time"), tab.locator(".pig-player .pig-play")
    seen = {label.inner_text() for _ in range(20) if tab.wait_for_timeout(20) is None}
    assert len(seen) > 2  # it plays
    button.click()
    still = label.inner_text()
    tab.wait_for_timeout(200)
    assert label.inner_text() == still


def test_pages_of_the_report_are_built_from_their_notebooks(tmp_path, monkeypatch):
    monkeypatch.setattr("pig_core.system.project_root", lambda: tmp_path)
    monkeypatch.setattr(page, "project_root", lambda: tmp_path)
    built = []
    monkeypatch.setattr(
        "papermill.execute_notebook",
        lambda source, out, parameters, **more: built.append((source.name, out.name, parameters)),
    )
    monkeypatch.setattr(page, "render", lambda notebook, html: built.append((notebook.name, html.name)))
    page.main(["index", "3bp_color"])
    assert built == [
        ("report.ipynb", "index.ipynb", {}),
        ("index.ipynb", "index.html"),
        ("task.ipynb", "3bp_color.ipynb", {"task": "3bp_color"}),
        ("3bp_color.ipynb", "3bp_color.html"),
    ]
    built.clear()
    page.main(["--all"])
    assert len(built) == 2 * (len(page.PAGES) - 1)  # all but that of control, which trains
