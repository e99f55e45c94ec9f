"""What things cost, from the benchmarks that come with the project (``make bench``): ratios, growth, the rest."""

import json
import math

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from pig_core.system import RunError, results_folder
from pig_core.tasks import TASKS

from ..report.style import PALETTE
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
        ours = (
            f"{_spread(times[how])}: {times['plain']['median'] / times[how]['median']:.1f} times as fast"
            for how in ("float32", "bfloat16")
        )
        rows.append((TASKS[task].title, _spread(times["plain"]), *ours))
    return Markdown(table(["one step, 100 videos", "plain reference", "ours", "ours, `bfloat16`"], rows))


def _spread(times: dict[str, float]) -> str:
    return f"{times['median']:.2f} s ({times['min']:.2f} to {times['max']:.2f}, {times['n']} steps)"


def growth() -> Figure:
    """Seconds of a step against batch, frames, objects and image size, with the exponent of the last doubling or so."""
    parts = benchmark("growth")["result"]
    figure, axes = plt.subplots(1, len(parts), figsize=(2.8 * len(parts), 2.8))
    for ax, (quantity, points) in zip(axes, parts.items(), strict=True):
        times = pd.DataFrame(points).T  # a row for each size
        sizes, middle = [float(size) for size in points], times["median"]
        bars = [middle - times["min"], times["max"] - middle]
        ax.errorbar(sizes, middle, bars, fmt="o-", ms=4, color=PALETTE[0], capsize=2)
        exponent = math.log(middle.iloc[-1] / middle.iloc[-3]) / math.log(sizes[-1] / sizes[-3])
        ax.set(xscale="log", yscale="log", xlabel=quantity, title=f"grows as the power {exponent:.1f}")
        ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
        ax.minorticks_off()
    axes[0].set_ylabel("seconds a step")
    return figure


def rest_table() -> Markdown:
    """Data, imports, the report, and two seeds at a time."""
    data, imports, seeds = (benchmark(part)["result"] for part in ("data", "imports", "seeds"))
    package, needed = imports.values()
    apart, together = seeds["one after the other"], seeds["side by side"]
    rows = [
        (f"all {data['files']} data files", f"{data['seconds']:.0f} s, {data['gigabytes']:.1f} GB of memory"),
        ("`import pig_core`", f"{package['median']:.2f} s"),
        ("importing all that a run needs", f"{needed['median']:.1f} s"),
        ("two seeds one after the other, all cores each", f"{apart:.0f} s"),
        ("two seeds side by side, one core each", f"{together:.0f} s, {apart / together:.2f} times as fast"),
    ]
    if (results_folder() / "benchmarks" / "report.json").is_file():  # measured last: it includes making this table
        made = benchmark("report")["result"]
        rows.append(("`make report`, everything installed", f"{made['seconds']:.0f} s"))
        about = {"first paint": "first paint of a page from the disk", "slider move": "answer to a move of a slider"}
        for name, words in about.items():
            if times := made.get(name):
                rows.append((f"{words}, the slowest page", f"{max(times.values()):.3g} ms"))
    return Markdown(table(["", "time"], rows))


def measured_on(part: str) -> Markdown:
    """Where and at which commit a part was measured."""
    about = benchmark(part)
    return Markdown(
        f"<small>Measured on {about['device']}, {about['cores']} cores; commit {short_commit(about['commit'])}.</small>"
    )
