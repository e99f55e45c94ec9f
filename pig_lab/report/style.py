"""One look for everything that a notebook's cell shows: tables (:func:`table`), figures, and images in a grid.

``table(frame, formats={}, units={}, links={})`` makes every table of the project's pages out of a pandas DataFrame:
``table(runs, formats={"error": "+.2f"}, units={"error": "%"}, links={"clip": addresses})``. Text that did not come
with the project goes into a table, or through :func:`plain` into Markdown: nothing else escapes it.
"""

import io
import math
import re
import string
from collections.abc import Callable, Mapping, Sequence
from html import escape
from urllib.parse import quote

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython import get_ipython
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib_inline.config import InlineBackend
from torch import Tensor

from pig_core.evaluate import to_picture

PALETTE = sns.color_palette("colorblind")
LOSS_LABEL = "squared error per frame"
_PIXELS = 96  # in an inch, by definition of CSS


def table(
    frame: pd.DataFrame,
    formats: Mapping[str, str | Callable[[object], str]] = {},
    units: Mapping[str, str] = {},
    links: Mapping[str, Sequence[str | None]] = {},
) -> HTML:
    """A DataFrame as a table of a page; the index is left out, and every text is escaped.

    Args:
        frame: names of the columns become the heads. Missing values become empty cells.
        formats: by column: a format specification ("+.2f"), or a function from a value to its text. Without one,
            fractions have three significant digits and everything else is shown as it is.
        units: by column: head "length" becomes "length, px".
        links: by column: the address of each row, or None. What is no web address is the path of a file.
    """
    shown = pd.DataFrame(index=frame.index)
    for name, values in frame.items():
        cells = [escape(_cell(value, formats.get(name))) for value in values]
        addresses = links.get(name, [None] * len(cells))
        head = f"{name}, {units[name]}" if name in units else str(name)
        shown[escape(head)] = [_link(cell, to) for cell, to in zip(cells, addresses, strict=True)]
    with pd.option_context("display.max_colwidth", None):
        return HTML(shown.to_html(index=False, border=0, escape=False))


def _cell(value: object, form: str | Callable[[object], str] | None) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if callable(form):
        return form(value)
    if form is not None:
        return format(value, form)
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if 1000 <= abs(value) < math.inf else f"{value:.3g}"


def _link(cell: str, address: str | None) -> str:
    if address is None:
        return cell
    safe = address if re.match("https?://", address) else quote(address, safe="/#")  # no "javascript:" in a path
    return f'<a href="{escape(safe)}">{cell}</a>'


def plain(text: object) -> str:
    """A text as it is, for Markdown and for HTML: none of its characters is markup."""
    return "".join(f"&#{ord(sign)};" if sign in string.punctuation else sign for sign in str(text))


def figure_html(figure: Figure) -> str:
    """A figure as SVG on white, with real text. It shrinks with its window; below two thirds it is scrolled instead."""
    file = io.StringIO()
    unnamed = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "pig"}):  # the same figure is the same text
        figure.savefig(file, format="svg", metadata=unnamed, dpi="figure")
    text = file.getvalue()
    text = re.sub(r'<g id="[^"]*"', "<g", text[text.index("<svg") :])  # figures of a page would share these ids
    text = re.sub(r"(\d\.\d{3})\d+", r"\1", text)
    width = _PIXELS * figure.get_figwidth()
    looks = f"background:#fff;width:100%;height:auto;max-width:{width:.0f}px;min-width:{width * 2 / 3:.0f}px"
    return f'<div class="pig-figure">{text.replace("<svg ", f"""<svg style="{looks}" """, 1)}</div>'


def use_style() -> None:
    """One look for all figures, with a thin grid; in a notebook they are drawn as SVG."""
    sizes = {
        "figure.dpi": 110, "figure.constrained_layout.use": True, "font.size": 10, "axes.titlesize": 11,
        "axes.labelsize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9,
    }  # fmt: skip
    looks = {"axes.spines.top": False, "axes.spines.right": False}
    sns.set_theme(style="whitegrid", palette="colorblind", rc={**sizes, **looks})
    if shell := get_ipython():
        InlineBackend.instance(parent=shell).figure_formats = set()
        shell.display_formatter.formatters["text/html"].for_type(Figure, figure_html)


def evenly(first: int, length: int, n: int) -> np.ndarray:
    """At most ``n`` evenly spaced frames from ``first`` to the last of ``length``."""
    return np.unique(np.linspace(first, length - 1, n).round().astype(int))


def show_image(ax: plt.Axes, image: Tensor) -> None:
    """Show an image (C, S, S) in [0, 1]."""
    ax.imshow(to_picture(image), interpolation="none")  # every pixel as it is, whatever the size of the figure
    ax.set(xticks=[], yticks=[])
    ax.grid(False)


def image_grid(
    rows: Mapping[str, Sequence[Tensor | None]], titles: Sequence[str], size: float = 1.0, title: str = ""
) -> tuple[Figure, np.ndarray]:
    """Named rows of images (C, S, S) under common titles, ``size`` inches each; None leaves a place empty.

    Args:
        title: of the whole; on the left, where a window that shows only a part of it begins.
    Returns:
        the figure and its axes, (rows, columns), to draw on.
    """
    figure, axes = plt.subplots(
        len(rows), len(titles), figsize=(size * len(titles) + 1.0, 1.05 * size * len(rows) + 0.2), squeeze=False
    )
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for ax, image in zip(line, images, strict=True):
            if image is None:
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set_visible(False)
            else:
                show_image(ax, image)
    for ax, above in zip(axes[0], titles, strict=True):
        ax.set_title(above, fontsize=9)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure, axes
