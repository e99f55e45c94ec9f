"""An executed notebook to one self-contained HTML page: ``python -m pig_core page run.ipynb page.html``.

nbconvert does the work with our template under ``reports/template``. Its own pages load a maths and a widget library
from the network; here formulas become MathML when the page is built, and nothing is loaded at all.
"""

import re
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from pig_core.system import RunError, project_root, replacing

from .article import Article, retitle
from .browser import once
from .pages import bar

# Colours of code that can be read on the page's cards: 4.5 : 1 and more.
_CODE = {"light": "xcode", "dark": "github-dark"}


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
    retitle(content.cells)
    headings = re.findall(r"^# (.+)$", "\n".join(c.source for c in content.cells if c.cell_type == "markdown"), re.M)
    exporter = HTMLExporter(
        template_name="template",
        extra_template_basedirs=[str(project_root() / "reports")],
        preprocessors=[Article],
        exclude_anchor_links=True,
    )
    task = content.metadata.get("papermill", {}).get("parameters", {}).get("task")
    resources = {
        "page_title": ": ".join(filter(None, [task, headings[0] if headings else Path(notebook).stem])),
        "pages": bar(page),
        **{f"code_{scheme}": _code_colours(style) for scheme, style in _CODE.items()},
    }
    html, _ = exporter.from_notebook_node(content, resources)
    with replacing(page) as temporary:
        temporary.write_text(once(html))


def _code_colours(style: str) -> str:
    return HtmlFormatter(style=style, nobackground=True).get_style_defs(".highlight")


def main(arguments: list[str]) -> None:
    """Make the page of a notebook."""
    if len(arguments) != 2:
        raise RunError("write: python -m pig_core page EXECUTED.ipynb PAGE.html")
    render(*map(Path, arguments))
