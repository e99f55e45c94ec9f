"""An executed notebook as one self-contained HTML page: ``python -m pig_core page run.ipynb page.html``.

nbconvert does the work with the template in ``reports/template``: sections with names, numbered figures and tables,
the code at the end. Formulas become MathML when the page is built, and nothing is loaded from a network.

The metadata of a cell describe its output: ``caption`` (Markdown) says what a figure or table shows, ``alt`` what a
figure looks like. Without a caption a figure is called by its ``alt``, a table by its section.

``python -m pig_core page --all`` executes the notebooks of the report and makes all their pages, ``page NAME ...``
only some of them.
"""

import re
from collections import Counter
from html import escape, unescape
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html_mistune
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from pygments.formatters import HtmlFormatter

from pig_core.system import RunError, project_root, replacing, runs_folder
from pig_core.tasks import TASKS

from .panels import once

# The pages of the report as every page links them: menu -> page -> label.
MENUS = {
    "Start": {"index": "Report", "walkthrough": "The method by hand"},
    "Results": {"paper": "The paper's recipe", "ablations": "Comparisons", "robustness": "How far to trust it"},
    "Tasks": {name: task.title.capitalize() for name, task in TASKS.items()},
    "Extensions": {"real_clips": "Real clips", "control": "Control"},
    "Reference": {"data": "The videos", "glossary": "Glossary"},
}
PAGES = [page for menu in MENUS.values() for page in menu]
LONG = ("control",)  # pages whose notebook trains and measures: made by a command of their own
FIGURE = 'class="pig-figure"'  # how pig_lab.report.style.figure_html begins

# Code in backticks is left alone; then display formulas, then inline ones with the punctuation that follows.
_PIECES = re.compile(r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|\$([^$\n]+?)\$([.,;:!?)]*)", re.DOTALL)
_LINK = re.compile(r'href="(\w+)\.ipynb(?:#(\w+))?"')  # to a notebook; "task.ipynb#spring_color": one task's page
_SHORT = 18  # characters of a table's cell that stay on one line
_CODE = {"light": "xcode", "dark": "github-dark"}  # colours of code with a contrast of at least 4.5 : 1


def build(pages: list[str]) -> None:
    """Execute the notebooks of some pages of the report and write the pages.

    Raises:
        RunError: if a notebook stops with an error.
    """
    import papermill  # takes a while to load

    for page in pages:
        name, parameters = ("task", {"task": page}) if page in TASKS else ({"index": "report"}.get(page, page), {})
        executed = runs_folder() / "pages" / f"{page}.ipynb"
        executed.parent.mkdir(parents=True, exist_ok=True)
        print(page, flush=True)
        try:
            papermill.execute_notebook(
                project_root() / "notebooks" / f"{name}.ipynb", executed, parameters, kernel_name="python3",
                progress_bar=False,
            )  # fmt: skip
        except papermill.exceptions.PapermillExecutionError as error:
            raise RunError(f"notebooks/{name}.ipynb stopped with {error.ename}: {error.evalue}") from error
        render(executed, project_root() / "reports" / f"{page}.html")


def render(notebook: Path, page: Path) -> None:
    """Write the page of an executed notebook; its title is the notebook's first heading, and its task if it has one.

    Raises:
        RunError: if the notebook is missing, not a notebook, not executed to its end or stopped with an error, or the
            page cannot be written.
    """
    try:
        content = nbformat.read(notebook, as_version=4)
    except FileNotFoundError:
        raise RunError(f"there is no notebook {notebook}") from None
    except (OSError, ValueError, AttributeError, nbformat.ValidationError) as error:
        raise RunError(f"{notebook} is not a notebook ({error})") from error
    _check_executed(notebook, content.cells)
    content.cells = _without_training(content.cells)
    retitle(content.cells)
    headings = re.findall(r"^# (.+)$", "\n".join(c.source for c in content.cells if c.cell_type == "markdown"), re.M)
    exporter = HTMLExporter(
        template_name="template",
        extra_template_basedirs=[str(project_root() / "reports")],
        preprocessors=[Article],
        exclude_anchor_links=True,
    )
    task = content.metadata.get("papermill", {}).get("parameters", {}).get("task")
    of_report = page.resolve().parent == (project_root() / "reports").resolve() and page.stem in PAGES
    resources = {
        "page_title": unescape(": ".join(filter(None, [task, headings[0] if headings else Path(notebook).stem]))),
        "page": page.stem,
        "menus": MENUS if of_report else {},
        **{
            f"code_{scheme}": HtmlFormatter(style=style, nobackground=True).get_style_defs(".highlight")
            for scheme, style in _CODE.items()
        },
    }
    html, _ = exporter.from_notebook_node(content, resources)
    with replacing(page) as temporary:
        temporary.write_text(once(_LINK.sub(_to_page, html)))


def _without_training(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Cells without those tagged "training" if none of these shows anything: the run was a test of a checkpoint."""
    tagged = [cell for cell in cells if "training" in cell.metadata.get("tags", [])]
    return cells if any(cell.get("outputs") for cell in tagged) else [cell for cell in cells if cell not in tagged]


def _to_page(link: re.Match) -> str:
    """Notebooks link one another, which works in JupyterLab and on GitHub; a page links the other's page."""
    name, task = link.groups()
    page = task or {"report": "index"}.get(name, name)
    return f'href="{page}.html"' if page in PAGES else link[0]


def _check_executed(notebook: Path, cells: list[NotebookNode]) -> None:
    """A page says that its numbers were computed: every cell with code was executed, and none failed."""
    for number, cell in enumerate(cells, 1):
        if failed := [output for output in cell.get("outputs", []) if output.output_type == "error"]:
            raise RunError(f"{notebook} stopped in cell {number} with {failed[0].ename}: {failed[0].evalue}")
        if cell.cell_type == "code" and cell.source.strip() and not cell.execution_count:
            raise RunError(f"{notebook} was not executed (cell {number}): run all of its cells, or use papermill")


def retitle(cells: list[NotebookNode]) -> None:
    """Where a cell has computed a title ("# ..."), it takes the place of the one in the notebook's text."""
    for cell in cells:
        for output in cell.get("outputs", []):
            title = output.get("data", {}).get("text/markdown", "")
            if title.startswith("# "):
                first = next(c for c in cells if c.cell_type == "markdown" and c.source.startswith("# "))
                first.source = "\n".join([title.strip(), *first.source.splitlines()[1:]])
                cell.outputs = [other for other in cell.outputs if other is not output]
                return


def formulas_to_mathml(markdown: str) -> str:
    """Replace ``$...$`` and ``$$...$$`` in Markdown by MathML, which browsers draw without any library."""

    def replace(match: re.Match) -> str:
        code, display, inline, punctuation = match.groups()
        if code is not None:
            return code
        formula = mathml(display or inline, display="block" if display else "inline").replace("\n", " ")
        return f'<span class="together">{formula}{punctuation}</span>' if punctuation else formula

    return _PIECES.sub(replace, markdown)


class Article(Preprocessor):
    """Turns text, tables and figures into their final HTML and moves all code to the end.

    A notebook whose metadata says ``"code": "shown"`` is about its code, which then stays in its place.

    ``resources`` gets "contents": name and (HTML) title of every section.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """See nbconvert's Preprocessor."""
        self.counts, self.names, self.section, self.contents = Counter(), Counter(), "", []
        code, shown = [], nb.metadata.get("code") == "shown"
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                cell.metadata["html"] = self._text(cell)
            elif cell.cell_type == "code":
                code += [cell.source] if cell.source.strip() else []
                cell.metadata["code"] = "shown" if shown else "moved"
                cell.outputs = self._outputs(cell)
        if code and not shown:
            nb.cells.append(new_code_cell("\n\n".join(code), metadata={"code": "folded"}))
        nb.cells[0].metadata["first"] = True
        resources["contents"] = self.contents
        return nb, resources

    def _text(self, cell: NotebookNode) -> str:
        soup = BeautifulSoup(_html(cell.source), "html.parser")
        for sign in soup.find_all("a", class_="anchor-link"):
            sign.decompose()
        for heading in soup.find_all(re.compile("^h[1-6]$")):
            name = re.sub(r"[^a-z0-9]+", "-", heading.get_text().lower()).strip("-") or "section"
            heading["id"] = name + "-" * self.names[name]  # no two headings share it
            self.names[name] += 1
            if heading.name in ("h1", "h2", "h3"):
                self.section = re.sub(r"^\d+\. ", "", heading.decode_contents())
            if heading.name == "h2":
                self.contents.append((heading["id"], heading.decode_contents()))
        return self._tables(str(soup), cell.metadata.get("caption"))

    def _outputs(self, cell: NotebookNode) -> list[NotebookNode]:
        """One block of text instead of one for each printed line; tables and figures in their frames."""
        merged: list[NotebookNode] = []
        figures: list[str] = []  # all that a cell draws is one figure, where the first of them was
        caption, alt = cell.metadata.get("caption"), escape(cell.metadata.get("alt", ""))
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if output.output_type == "stream" and merged and merged[-1].get("name") == output["name"]:
                merged[-1]["text"] += output["text"]
                continue
            if drawn := _drawn(data, alt):
                figures.append(f'<div class="scroll" tabindex="0">{drawn}</div>')
                if len(figures) > 1:
                    continue
                frame = output
            elif "text/markdown" in data:
                output["data"] = {"text/html": self._tables(_html(data["text/markdown"]), caption)}
            elif "<table" in data.get("text/html", "") and "<script" not in data["text/html"]:
                output["data"] = {"text/html": self._tables(data["text/html"], caption)}
            merged.append(output)
        if figures:
            text = f'<figure class="drawn">{"".join(figures)}{self._caption("Figure", caption, alt)}</figure>'
            frame["data"] = {"text/html": text}
        return merged

    def _caption(self, kind: str, caption: str | None, otherwise: str) -> str:
        """A number and the caption (Markdown), or other words (HTML)."""
        self.counts[kind] += 1
        words = _html(caption).strip().removeprefix("<p>").removesuffix("</p>") if caption else otherwise
        label = f"{kind} {self.counts[kind]}"
        return f'<figcaption id="{label.lower().replace(" ", "-")}"><b>{label}.</b> {words.rstrip(".")}.</figcaption>'

    def _tables(self, html: str, caption: str | None) -> str:
        """The HTML with its tables in frames that may be wider than the text, with captions."""
        soup = BeautifulSoup(html, "html.parser")
        for table in soup.find_all("table"):
            table.attrs = {}
            for cell in table.find_all("th"):
                cell.attrs = {"scope": "col" if cell.find_parent("thead") else "row"}
            for cell in table.find_all("td"):
                cell.attrs = {"class": "short"} if len(cell.get_text()) <= _SHORT else {}
            frame = soup.new_tag("figure", attrs={"class": "tabled"})
            table.wrap(soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0"})).wrap(frame)
            frame.insert(0, BeautifulSoup(self._caption("Table", caption, self.section), "html.parser"))
        return str(soup)


def _drawn(data: dict, alt: str) -> str | None:
    """The HTML of an output that is a figure, with a description of it."""
    if FIGURE in data.get("text/html", ""):
        return data["text/html"].replace(FIGURE, f'{FIGURE} role="img" aria-label="{alt}"', 1)
    if "image/png" in data:
        return f'<img src="data:image/png;base64,{data["image/png"].strip()}" alt="{alt}">'
    return None


def _html(markdown: str) -> str:
    return markdown2html_mistune(formulas_to_mathml(markdown))


def main(arguments: list[str]) -> None:
    """Make the page of a notebook, or pages of the report."""
    if arguments == ["--all"]:
        build([page for page in PAGES if page not in LONG])
    elif arguments and set(arguments) <= set(PAGES):
        build(arguments)
    elif len(arguments) == 2:
        render(*map(Path, arguments))
    else:
        raise RunError("write: python -m pig_core page EXECUTED.ipynb PAGE.html, or page --all, or page NAME ...")
