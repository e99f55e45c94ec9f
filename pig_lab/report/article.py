"""A notebook's cells as the parts of an article: sections with names, numbered figures and tables, code at the end.

What a cell shows is called by its metadata: ``caption`` says what a figure or table is (markdown), ``alt`` what a
figure looks like. Without a caption a figure is called by its ``alt``, a table by its section.
"""

import re
from html import escape

from bs4 import BeautifulSoup, NavigableString, Tag
from latex2mathml.converter import convert as mathml
from nbconvert.filters import markdown2html_mistune
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

# Code in backticks is left alone; then display formulas, then inline ones with the punctuation behind them.
_PIECES = re.compile(r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|\$([^$\n]+?)\$([.,;:!?)]*)", re.DOTALL)
_SECTIONS = re.compile(r"^(?=## )", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# A number stays with its unit, "±", and the rest of "1 to 2" and "3 of 5".
_TOGETHER = re.compile(r"(?<=\d) (?=(?:%|px|s|ms|±|of|to|/)(?:\W|$))|(?<=\d (?:of|to)|\d. [±/]) (?=-?\d)")
_SHORT = 18  # characters of a table's cell that stay on one line
_LONG = 40  # characters of a cell from which on a phone shows the cells of a row below one another
PICTURE = 'class="pig-figure"'  # how pig_lab.report.svg begins a figure


def formulas_to_mathml(markdown: str) -> str:
    """Replace ``$...$`` and ``$$...$$`` in markdown by MathML, which browsers draw without any library."""

    def replace(match: re.Match) -> str:
        code, display, inline, behind = match.groups()
        if code is not None:
            return code
        formula = mathml(display or inline, display="block" if display else "inline").replace("\n", " ")
        return f'<span class="together">{formula}{behind}</span>' if behind else formula

    return _PIECES.sub(replace, markdown)


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


class Article(Preprocessor):
    """Turns text, tables and figures into their final HTML and moves a section's code to its end.

    A notebook whose metadata says ``"code": "shown"`` is about its code, which then stays in its place.

    ``resources`` gets "contents": name and (HTML) title of every section.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """See nbconvert's Preprocessor."""
        self.counts, self.names = {"Figure": 0, "Table": 0}, set()
        self.section, resources["contents"] = "", []
        cells, code, shown = [], [], nb.metadata.get("code") == "shown"
        for cell in self._split(nb.cells):
            if cell.cell_type == "markdown":
                if cell.source.startswith("## "):
                    cells += self._folded(code)
                    code = []
                cell.metadata["html"] = self._text(cell, resources["contents"])
                cell.metadata["first"] = not cells
            elif cell.cell_type == "code":
                cell.metadata["folded"] = not shown
                code += [] if shown else [cell.source]
                cell.outputs = self._outputs(cell)
            cells.append(cell)
        nb.cells = cells + self._folded(code)
        return nb, resources

    @staticmethod
    def _split(cells: list[NotebookNode]) -> list[NotebookNode]:
        """Text cells, each with one section at most; where a cell has code of its own it is left whole."""
        parts = []
        for cell in cells:
            whole = cell.cell_type != "markdown" or _FENCED.search(cell.source)
            pieces = [] if whole else [text for text in _SECTIONS.split(cell.source) if text.strip()]
            parts += [new_markdown_cell(text, metadata=dict(cell.metadata)) for text in pieces] or [cell]
        return parts

    @staticmethod
    def _folded(code: list[str]) -> list[NotebookNode]:
        text = "\n\n".join(part for part in code if part.strip())
        return [new_code_cell(text)] if text else []

    def _text(self, cell: NotebookNode, contents: list) -> str:
        soup = BeautifulSoup(_html(cell.source), "html.parser")
        for sign in soup.find_all("a", class_="anchor-link"):
            sign.decompose()
        for heading in soup.find_all(re.compile("^h[1-6]$")):
            heading["id"] = self._name(heading.get_text())
            if heading.name in ("h1", "h2", "h3"):
                self.section = re.sub(r"^\d+\. ", "", heading.decode_contents())
            if heading.name == "h2":
                contents.append((heading["id"], heading.decode_contents()))
        self._tables(soup, cell.metadata.get("caption"))
        return str(soup)

    def _name(self, title: str) -> str:
        """An id for a heading that no other one has."""
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        while name in self.names:
            name += "-"
        self.names.add(name)
        return name

    def _outputs(self, cell: NotebookNode) -> list[NotebookNode]:
        """One block of text instead of one for each printed line; tables and figures in their frames."""
        merged: list[NotebookNode] = []
        figure: list[tuple[NotebookNode, str]] = []
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and merged and merged[-1].get("name") == output["name"]:
                merged[-1]["text"] += output["text"]
                continue
            data = output.get("data", {})
            if (picture := _picture(data, cell.metadata.get("alt", ""))) is not None:
                figure.append((output, picture))
            elif "text/markdown" in data or "<table" in data.get("text/html", ""):
                text = _html(data["text/markdown"]) if "text/markdown" in data else data["text/html"]
                if "<script" not in text:
                    soup = BeautifulSoup(text, "html.parser")
                    self._tables(soup, cell.metadata.get("caption"))
                    text = str(soup)
                output["data"] = {"text/html": text}
            merged.append(output)
        if figure:  # all that a cell draws is one figure
            (first, _), *others = figure
            pictures = "".join(f'<div class="scroll">{picture}</div>' for _, picture in figure)
            caption = self._caption("Figure", cell.metadata.get("caption"), escape(cell.metadata.get("alt", "")))
            first["data"] = {"text/html": f'<figure class="drawn">{pictures}{caption}</figure>'}
            merged = [output for output in merged if not any(output is other for other, _ in others)]
        return merged

    def _caption(self, kind: str, caption: str | None, otherwise: str) -> str:
        """A number and the caption (markdown), or other words (HTML)."""
        self.counts[kind] += 1
        words = _html(caption).strip().removeprefix("<p>").removesuffix("</p>") if caption else otherwise
        label = f"{kind} {self.counts[kind]}"
        return f'<figcaption id="{label.lower().replace(" ", "-")}"><b>{label}.</b> {words.rstrip(".")}.</figcaption>'

    def _tables(self, soup: BeautifulSoup, caption: str | None) -> None:
        """Tables in frames that may be wider than the text, with captions, and heads that say what they are of."""
        for style in soup.find_all("style"):
            style.decompose()
        for table in soup.find_all("table"):
            table.attrs = {}
            _dress(table)
            frame = soup.new_tag("figure", attrs={"class": "tabled"})
            table.wrap(soup.new_tag("div", attrs={"class": "scroll"})).wrap(frame)
            frame.insert(0, BeautifulSoup(self._caption("Table", caption, self.section), "html.parser"))


def _html(markdown: str) -> str:
    return markdown2html_mistune(formulas_to_mathml(markdown))


def _picture(data: dict, alt: str) -> str | None:
    """The HTML of an output that is a figure, with what it looks like in words."""
    if PICTURE in data.get("text/html", ""):
        return data["text/html"].replace(PICTURE, f'{PICTURE} role="img" aria-label="{escape(alt)}"', 1)
    if "image/png" in data:
        return f'<img src="data:image/png;base64,{data["image/png"].strip()}" alt="{escape(alt)}">'
    return None


def _dress(table: Tag) -> None:
    """Heads of columns and rows, and numbers that do not wrap; where a row is long, each cell says its column."""
    head, body = table.find("thead"), table.find("tbody")
    for cell in head.find_all(["th", "td"]) if head else []:
        cell.name, cell.attrs = "th", {"scope": "col"}
    names = [" ".join(cell.get_text().split()) for cell in head.find_all("th")] if head else []
    if len(names) > 2 and body and any(len(cell.get_text()) > _LONG for cell in body.find_all("td")):
        table["class"] = "long"
    for row in body.find_all("tr") if body else []:
        cells = row.find_all(["th", "td"], recursive=False)
        if all(cell.name == "td" for cell in cells) and cells:
            cells[0].name = "th"
        for cell in cells:
            if cell.name == "th":
                cell["scope"] = "row"
            for text in [part for part in cell.descendants if isinstance(part, NavigableString)]:
                text.replace_with(_TOGETHER.sub("\u00a0", text))
            for code in cell.find_all("code"):  # a long name breaks after an underscore, where it has to
                code.replace_with(BeautifulSoup(str(code).replace("_", "_<wbr>"), "html.parser"))
            if len(cell.get_text()) <= _SHORT and any(letter.isdigit() for letter in cell.get_text()):
                cell["class"] = "number"
        if "long" in table.get("class", ""):
            for cell, name in zip(cells[1:], names[1:], strict=False):
                cell["data-head"] = name
