"""Figures as inline SVG: real text, the page's colours, and one drawing for each width of the window.

A figure is drawn twice: whole, and panel by panel at the width of a phone. Which of the two is seen the reader's
window decides, so that text is never scaled down.
"""

import hashlib
import io
import itertools
import pickle
import re
import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import AutoLocator, LogLocator, MaxNLocator, NullFormatter

from .clocked import attributes
from .labels import SMALLEST, spread_all

PHONE = 3.7  # inches, 355 px: the text column of a window of 390 px
_PIXELS = 96  # in an inch, by definition of CSS
# Where neither a page nor JupyterLab says what its colours are, ink is dark and paper white.
_COLOURS = (
    "--ink:var(--text,var(--jp-content-font-color1,#1d2229));--paper:var(--page,var(--jp-layout-color0,#fff));"
    "color:var(--ink)"
)
_DROPPED = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>| xmlns:xlink=\"[^\"]*\""
    r"|(?<=px); font-family: [^;\"]*(?=[;\"][^>]*>[^<])",
    re.DOTALL,
)


def html(figure: Figure) -> str:
    """The figure as HTML; the figure itself stays as it is."""
    whole = _copy(figure)
    tidy(whole)
    drawn = svg(whole)
    plt.close(whole)
    width = _PIXELS * figure.get_figwidth()
    name = "f" + hashlib.sha256(drawn.encode()).hexdigest()[:10]
    parts = _panels(figure, name) if _can_be_split(figure) else []
    if not parts:
        return f'<div class="pig-figure" style="{_COLOURS}">{drawn}</div>'
    return (
        f'<div class="pig-figure" id="{name}" style="{_COLOURS};container-type:inline-size"><style>'
        f"#{name} .panels{{display:none;flex-wrap:wrap;gap:1.5rem}}@container (max-width:{width - 1:.0f}px){{"
        f"#{name} .whole{{display:none}}#{name} .panels{{display:flex}}}}</style>"
        f'<div class="whole">{drawn}</div><div class="panels">{"".join(parts)}</div></div>'
    )


def svg(figure: Figure, part_of: str = "") -> str:
    """The figure as SVG text: transparent, greys as shares of the page's ink, with ids that no other figure has.

    Args:
        part_of: name of the figure that this is a panel of; those of two figures may look the same.
    """
    file = io.StringIO()
    plain = {"svg.fonttype": "none", "svg.hashsalt": "pig"}
    with plt.rc_context(plain):
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True, dpi="figure")
    text = re.sub(r"(\d\.\d{3})\d+", r"\1", _DROPPED.sub("", file.getvalue())).replace("xlink:href", "href")
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><").strip()
    text = re.sub(r"#([0-9a-f]{2})\1\1(?=[;\"])", _ink, text.replace("#0173b2", "var(--blue,#0173b2)"))
    text = text.replace(
        "<svg ", f'<svg{attributes(figure)} style="stroke-linejoin:round;stroke-linecap:butt;fill:var(--ink)" ', 1
    )
    return _own_ids(text, part_of)


def _ink(grey: re.Match) -> str:
    """A grey as a mixture of ink and paper; white stays white: it is drawn over pictures."""
    if grey[1] == "ff":
        return grey[0]
    return f"color-mix(in srgb,var(--ink) {100 * (1 - int(grey[1], 16) / 255):.0f}%,var(--paper))"


def _own_ids(text: str, part_of: str) -> str:
    """Without the ids that nothing points to, and with the figure's own name before the others."""
    own = "i" + hashlib.sha256((part_of + text).encode()).hexdigest()[:8]
    used = sorted(set(re.findall(r"(?<=[\"(]#)[\w.-]+", text)))
    names = {old: f"{own}-{number}" for number, old in enumerate(used)}
    text = re.sub(r' id="([^"]*)"', lambda m: f' id="{names[m[1]]}"' if m[1] in names else "", text)
    return re.sub(r"(?<=[\"(]#)[\w.-]+", lambda m: names[m[0]], text)


def tidy(figure: Figure) -> None:
    """No text below 12 px, plain numbers on logarithmic axes, at least two of them, and none that run together."""
    for text in figure.findobj(Text):
        text.set_fontsize(max(text.get_fontsize(), SMALLEST))
    for ax in figure.axes:
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            if isinstance(axis.get_major_locator(), LogLocator):
                low, high = sorted(limits)
                if high < 100 * low:  # powers of ten alone would leave one number or none
                    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 20 * low else (1, 3)))
                axis.set_major_formatter("{x:g}")
                axis.set_minor_formatter(NullFormatter())
    for ax in figure.axes:
        labels = [text.get_text() for text in ax.get_xticklabels()]
        letters = max(map(len, labels), default=0) + 2
        room = int(72 * figure.get_figwidth() * ax.get_position().width / (0.62 * SMALLEST * letters))
        if isinstance(ax.xaxis.get_major_locator(), AutoLocator) and len(labels) > room:
            ax.xaxis.set_major_locator(MaxNLocator(max(room - 1, 2)))
    spread_all(figure)


def _copy(figure: Figure) -> Figure:
    return pickle.loads(pickle.dumps(figure))


def _can_be_split(figure: Figure) -> bool:
    """Whether it is made of charts; a strip of pictures is read along its rows and is scrolled instead."""
    charts = [ax for ax in figure.axes if len(ax.get_xticks()) or len(ax.get_yticks())]
    placed = all(ax.get_subplotspec() is not None for ax in figure.axes)
    return bool(placed and charts and figure.get_figwidth() > PHONE)


def _panels(figure: Figure, name: str) -> list[str]:
    """Every panel at the width of a phone, those of a column after one another; shared labels are repeated."""
    figure = _copy(figure)
    grid = {(ax.get_subplotspec().rowspan.start, ax.get_subplotspec().colspan.start): ax for ax in figure.axes}
    order = [grid[place] for place in sorted(grid, key=lambda place: place[::-1])]
    rows, columns = order[0].get_subplotspec().get_gridspec().get_geometry()
    for row, column in itertools.product(range(rows), range(columns)):
        if ax := grid.get((row, column)):
            _label(ax, grid.get((0, column)), grid.get((row, 0)), grid.get((rows - 1, column)))
    height = max(figure.get_figheight() / rows, 2.2) + 0.2
    spec, parts = figure.add_gridspec(1, 1)[0], []
    legends = [(old.legend_handles, [text.get_text() for text in old.get_texts()]) for old in figure.legends]
    title = figure.get_suptitle()
    for old in figure.legends[:]:
        old.remove()
    for number, ax in enumerate(order):
        for other in order:
            other.set_visible(other is ax)
            other.set_in_layout(other is ax)
        ax.set_subplotspec(spec)
        figure.suptitle(title if number == 0 else "")
        lines = 0
        if number == len(order) - 1:
            for handles, labels in legends:
                figure.legend(handles, labels, loc="outside lower center", ncols=2)
                lines = np.ceil(len(labels) / 2)
        # A picture is as wide as there is room for, and then no higher than that makes it.
        needed = min(height, PHONE * ax.get_data_ratio() + 0.6) if ax.images else height
        figure.set_size_inches(PHONE, needed + 0.2 * lines)
        tidy(figure)
        parts.append(svg(figure, name))
    plt.close(figure)
    return parts


def _label(ax: Axes, top: Axes | None, left: Axes | None, bottom: Axes | None) -> None:
    """What a panel of a grid leaves to its neighbours to say, said by itself, in lines that fit."""
    if not len(ax.get_xticks()) and not len(ax.get_yticks()):
        return
    if not ax.get_title() and top:
        ax.set_title(top.get_title())
    if not ax.get_ylabel() and left:
        ax.set_ylabel(left.get_ylabel())
    if not ax.get_xlabel() and bottom:
        ax.set_xlabel(bottom.get_xlabel())
    ax.set_title("\n".join(textwrap.wrap(ax.get_title(), 36)))
    ax.set_xlabel("\n".join(textwrap.wrap(ax.get_xlabel(), 38)))
    ax.set_ylabel("\n".join(textwrap.wrap(ax.get_ylabel(), 30)))
    ax.tick_params(labelleft=len(ax.get_yticks()) > 0, labelbottom=True)
