"""Lines of a chart called by their names at their ends, where a legend would send the eye to and fro."""

import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

SMALLEST = 9.0  # points, 12 px
_MARK = "end of a line"
_LINE_HEIGHT = 1.35  # of the letters' size
_TOGETHER = 0.03  # of the height of a chart: ends that are nearer than this share a label
_RIGHT = 1.03  # where labels begin, in widths of a chart


def label_ends(ax: Axes) -> None:
    """Write the label of each line beside its end; lines that end in the same place share one."""
    ends = []
    for line in ax.get_lines():
        name = str(line.get_label())
        if not name.startswith("_") and (end := _end(line)) is not None:
            ends.append((_height(ax, end), end, name))
    groups: list[list[tuple]] = []
    for end in sorted(ends, key=lambda each: each[0]):
        if groups and end[0] - groups[-1][0][0] < _TOGETHER:
            groups[-1].append(end)
        else:
            groups.append([end])
    for group in groups:
        height, end, _ = group[len(group) // 2]
        ax.annotate(  # what leads to it is grey and dotted: it is no part of the line
            joined([name for _, _, name in group]), end, (_RIGHT, height), textcoords="axes fraction", va="center",
            fontsize=SMALLEST, annotation_clip=False, gid=_MARK,
            arrowprops={"arrowstyle": "-", "color": "0.5", "lw": 1, "ls": ":", "shrinkA": 1, "shrinkB": 1,
                        "relpos": (0, 0.5)},
        )  # fmt: skip
    spread(ax)


def joined(names: list[str]) -> str:
    """Several names as one: "seed 0", "seed 1" and "seed 2" are "seeds 0 to 2"."""
    names = sorted(dict.fromkeys(names))
    matches = [re.fullmatch(r"(\D+) (\d+)", name) for name in names]
    if len(names) == 1 or not all(matches) or len({match[1] for match in matches}) > 1:
        return ", ".join(names)
    numbers = sorted(int(match[2]) for match in matches)
    row = len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{matches[0][1]}s " + (f"{numbers[0]} to {numbers[-1]}" if row else ", ".join(map(str, numbers)))


def spread_all(figure: Figure) -> None:
    """Move the labels of all charts apart, at the size that the figure has now."""
    if any(_labels(ax) for ax in figure.axes):
        figure.draw_without_rendering()  # only then is it known how high a chart is
        for ax in figure.axes:
            spread(ax)


def spread(ax: Axes) -> None:
    """Move labels up and down until none lies over another one, each as near to its line's end as that allows."""
    labels = sorted(_labels(ax), key=lambda label: _height(ax, label.xy))
    if not labels:
        return
    points = 72 * ax.get_window_extent().height / ax.get_figure().dpi
    room = _LINE_HEIGHT * labels[0].get_fontsize() / points
    places = [min(max(_height(ax, label.xy), 0), 1) for label in labels]
    for _ in range(100):
        for i in range(len(places) - 1):
            if (missing := room - (places[i + 1] - places[i])) > 1e-6:
                places[i] -= missing / 2
                places[i + 1] += missing / 2
        places = list(np.clip(places, 0, max(1, room * len(places))))
    for label, place in zip(labels, places, strict=True):
        label.set_position((_RIGHT, place))


def _labels(ax: Axes) -> list[Annotation]:
    return [text for text in ax.texts if text.get_gid() == _MARK]


def _end(line: Line2D) -> tuple[float, float] | None:
    """The last point that is drawn; of a line across the whole chart, its right end."""
    ax, (x, y) = line.axes, (np.asarray(values, float) for values in line.get_data())
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if not len(known):
        return None
    across = line.get_transform() == ax.get_yaxis_transform(which="grid")
    return (ax.get_xlim()[1] if across else float(x[known[-1]])), float(y[known[-1]])


def _height(ax: Axes, point: tuple[float, float]) -> float:
    """How high a point lies, as a share of the chart's height."""
    for limits in (ax.get_xlim, ax.get_ylim):
        limits()  # brings them up to date
    return float(ax.transAxes.inverted().transform(ax.transData.transform(point))[1])
