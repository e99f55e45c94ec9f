"""An executed notebook to one self-contained HTML page: ``python -m pig_core page run.ipynb page.html``.

nbconvert does the work with our template under ``reports/template``. Its own pages load a maths and a widget library
from the network; here formulas become MathML when the page is built, and nothing is loaded at all.
"""

import re
from pathlib import Path

import nbformat
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.preprocessors import Preprocessor
from pygments.formatters import HtmlFormatter

from ..common.errors import RunError
from ..common.files import project_root, replacing
from .browser import once

# Code in backticks is left alone; then display formulas, then inline ones.
_PIECES = re.compile(r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)


def formulas_to_mathml(markdown: str) -> str:
    """Replace ``$...$`` and ``$$...$$`` in markdown by MathML, which browsers draw without any library."""

    def replace(match: re.Match) -> str:
        code, display, inline = match.groups()
        if code is not None:
            return code
        return mathml(display or inline, display="block" if display else "inline").replace("\n", " ")

    return _PIECES.sub(replace, markdown)


class PagePreprocessor(Preprocessor):
    """Formulas in text cells and in markdown outputs; one block of text per cell instead of one per printed line."""

    def preprocess_cell(self, cell, resources, index):
        """See nbconvert's Preprocessor."""
        if cell.cell_type == "markdown":
            cell.source = formulas_to_mathml(cell.source)
        merged = []
        for output in cell.get("outputs", []):
            if output.get("output_type") == "stream" and merged and merged[-1].get("name") == output["name"]:
                merged[-1]["text"] += output["text"]
                continue
            if "text/markdown" in output.get("data", {}):
                output["data"]["text/markdown"] = formulas_to_mathml(output["data"]["text/markdown"])
            merged.append(output)
        if cell.cell_type == "code":
            cell.outputs = merged
        return cell, resources


def render(notebook: Path, page: Path) -> None:
    """Write the page of an executed notebook; its title is the notebook's first heading, and its task if it has one.

    Raises:
        RunError: if the notebook is missing or not a notebook, or the page cannot be written.
    """
    try:
        content = nbformat.read(notebook, as_version=4)
    except FileNotFoundError:
        raise RunError(f"there is no notebook {notebook}") from None
    except (OSError, ValueError, AttributeError, nbformat.ValidationError) as error:
        raise RunError(f"{notebook} is not a notebook ({error})") from error
    headings = re.findall(r"^# (.+)$", "\n".join(c.source for c in content.cells if c.cell_type == "markdown"), re.M)
    exporter = HTMLExporter(
        template_name="template",
        extra_template_basedirs=[str(project_root() / "reports")],
        preprocessors=[PagePreprocessor],
        exclude_anchor_links=True,
    )
    task = content.metadata.get("papermill", {}).get("parameters", {}).get("task")
    resources = {
        "page_title": ": ".join(filter(None, [task, headings[0] if headings else Path(notebook).stem])),
        "highlight_css": HtmlFormatter(style="friendly", nobackground=True).get_style_defs(".highlight"),
    }
    html, _ = exporter.from_notebook_node(content, resources)
    with replacing(page) as temporary:
        temporary.write_text(once(html))


def main(arguments: list[str]) -> None:
    """Make the page of a notebook."""
    if len(arguments) != 2:
        raise RunError("write: python -m pig_core page EXECUTED.ipynb PAGE.html")
    render(*map(Path, arguments))
