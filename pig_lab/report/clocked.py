"""Figures that follow the one clock of a page: which of their places are of which frame; see ``browser/follow.js``.

A figure remembers what :func:`follow` is told; once it is drawn, :func:`attributes` says where in the SVG that is.
"""

import html
import json
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_POINTS = 72  # in an inch: the unit of matplotlib's SVG


def follow(
    figure: Figure,
    group: str,
    charts: Sequence[Axes] = (),
    pictures: Sequence[tuple[Axes, int]] = (),
    paths: Sequence[tuple[Axes, np.ndarray]] = (),
) -> None:
    """Let a figure show the frame that the panels of ``group`` show; without a group it stays still.

    Args:
        charts: whose x axis counts frames, from 1.
        pictures: with the frame that each shows, from 0.
        paths: with the positions (T, K, 2) of all objects in all frames, in the units of the axes.
    """
    if group:
        figure.clock = (group, list(charts), list(pictures), list(paths))


def attributes(figure: Figure) -> str:
    """For the ``<svg>`` of a figure just drawn: its group, and its places in points; "" if it stays still."""
    if (clock := getattr(figure, "clock", None)) is None:
        return ""
    group, charts, pictures, paths = clock
    height = figure.get_figheight() * _POINTS

    def place(ax: Axes, points: np.ndarray) -> np.ndarray:
        return _from_top(ax.transData.transform(points) * _POINTS / figure.dpi, height)

    def corners(ax: Axes) -> np.ndarray:
        left, top, right, bottom = _box(ax, height)
        return np.array([left, top, right - left, bottom - top])

    told = {
        "lines": [_frames_axis(ax, place, height) for ax in charts if ax.get_visible()],
        "pictures": [
            {"frame": int(t), **dict(zip(("x", "y", "width", "height"), corners(ax).round(1).tolist(), strict=True))}
            for ax, t in pictures if ax.get_visible()
        ],
        "paths": [
            place(ax, points.reshape(-1, 2)).reshape(points.shape).round(1).tolist()
            for ax, points in paths if ax.get_visible()
        ],
    }  # fmt: skip
    if not any(told.values()):
        return ""
    return f' data-group="{html.escape(group)}" data-clock="{html.escape(json.dumps(told, allow_nan=False))}"'


def _frames_axis(ax: Axes, place: object, height: float) -> dict[str, float]:
    """Where frame 1 is, how far it is to the next one, and the chart's box."""
    (zero, _), (one, _) = place(ax, np.array([[1.0, ax.get_ylim()[1]], [2.0, ax.get_ylim()[1]]]))
    left, top, right, bottom = _box(ax, height)
    numbers = {"zero": zero, "step": one - zero, "left": left, "right": right, "top": top, "bottom": bottom}
    return {name: round(float(value), 3) for name, value in numbers.items()}


def _box(ax: Axes, height: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a chart in points, from the top left corner of the figure."""
    box = ax.get_window_extent()
    (left, bottom), (right, top) = _from_top(box.get_points() * _POINTS / ax.get_figure().dpi, height)
    return left, top, right, bottom


def _from_top(points: np.ndarray, height: float) -> np.ndarray:
    return np.stack([points[..., 0], height - points[..., 1]], -1)
