"""What things cost, from the benchmarks that come with the project (``make bench``): ratios, growth, the rest."""

from __future__ import annotations

import json
import math

import matplotlib.pyplot as plt
from IPython.display import Markdown
from matplotlib.figure import Figure

from ..common.errors import RunError
from ..report.figures import PALETTE
from ..report.overview import SHORT
from ..report.results import results_folder
from ..report.tables import short_commit, table


def benchmark(part: str) -> dict[str, object]:
    """The committed file of one part: ``result``, and where it was measured.

    Raises:
        RunError: if that part was not measured yet.
    """
    path = results_folder() / "benchmarks" / f"{part}.json"
    if not path.is_file():
        raise RunError(f"{path} is not here: python -m pig_core bench {part}")
    return json.loads(path.read_text())


def steps_table() -> Markdown:
    """Seconds of a training step of the recipe ``paper``: plain reference, ours, ours with bfloat16, and ratios."""
    rows = []
    for task, times in benchmark("step")["result"].items():
        plain = times["plain"]["median"]
        cells = [_spread(times["plain"])]
        for how in ("float32", "bfloat16"):
            cells.append(f"{_spread(times[how])}: {plain / times[how]['median']:.1f} times as fast")
        rows.append((SHORT[task], *cells))
    return Markdown(table(["one step, 100 videos", "plain reference", "ours", "ours, `bfloat16`"], rows))


def _spread(times: dict[str, float]) -> str:
    return f"{times['median']:.2f} s ({times['min']:.2f} to {times['max']:.2f}, {times['n']} steps)"


def growth() -> Figure:
    """Seconds of a step against batch, frames, objects and image size, with the exponent of the last doubling or so."""
    parts = benchmark("growth")["result"]
    figure, axes = plt.subplots(1, len(parts), figsize=(2.8 * len(parts), 2.8))
    for ax, (quantity, points) in zip(axes, parts.items(), strict=True):
        sizes, times = [float(size) for size in points], list(points.values())
        middle = [t["median"] for t in times]
        below, above = (
            [m - t["min"] for m, t in zip(middle, times, strict=True)],
            [t["max"] - t["median"] for t in times],
        )
        ax.errorbar(sizes, middle, [below, above], fmt="o-", ms=4, color=PALETTE[0], capsize=2)
        exponent = math.log(middle[-1] / middle[-3]) / math.log(sizes[-1] / sizes[-3])
        ax.set(xscale="log", yscale="log", xlabel=quantity, title=f"grows as the power {exponent:.1f}")
        ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
        ax.minorticks_off()
    axes[0].set_ylabel("seconds a step")
    return figure


def rest_table() -> Markdown:
    """Data, imports, the report, and two seeds at a time."""
    data, imports, seeds = (benchmark(part)["result"] for part in ("data", "imports", "seeds"))
    apart, together = seeds["one after the other"], seeds["side by side"]
    rows = [
        (f"all {data['files']} data files", f"{data['seconds']:.0f} s, {data['gigabytes']:.1f} GB of memory"),
        ("`import pig_core`", f"{imports['pig_core']['median']:.2f} s"),
        ("importing all that a run needs", f"{imports['pig_core.run']['median']:.1f} s"),
        ("two seeds one after the other, all cores each", f"{apart:.0f} s"),
        ("two seeds side by side, one core each", f"{together:.0f} s, {apart / together:.2f} times as fast"),
    ]
    if (results_folder() / "benchmarks" / "report.json").is_file():  # measured last: it includes making this table
        rows.append(("`make report`, everything installed", f"{benchmark('report')['result']['seconds']:.0f} s"))
    return Markdown(table(["", "time"], rows))


def measured_on(part: str) -> Markdown:
    """Where and at which commit a part was measured."""
    about = benchmark(part)
    return Markdown(f"*Measured on {about['device']}, {about['cores']} cores; commit {short_commit(about['commit'])}.*")
