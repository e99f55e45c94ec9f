"""Figures of control, from the committed results and arrays."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure

from pig_core.model import PAIG
from pig_core.system import RunError, person_watches, results_folder

from ..images import png_url
from .episodes import HELD_DEGREES, WAIT, WEIGHED, Pixels
from .experiment import by_sequences
from .law import DT, SIZE, TRUE_GRAVITY, Pendulums
from .planner import Planner

TIP = SIZE / 4.4  # from the pivot to the rod's tip, pixels: the renderer shows 4.4 rod lengths
LOOKS = {
    "pixels": {"color": "C0", "marker": "o", "s": 22, "label": "from pixels"},
    "true_model": {"color": "black", "marker": "_", "s": 160, "label": "true model and state"},
}


def load_episodes() -> dict[str, np.ndarray]:
    """The episodes that come with the project, see :func:`pig_lab.control.experiment.shown`.

    Raises:
        RunError: if they are not here.
    """
    path = results_folder() / "control" / "episodes.npz"
    if not path.is_file():
        raise RunError(f"there is no {path}: `python -m pig_core control` makes it")
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def side_by_side(episodes: Mapping[str, np.ndarray], magnify: int = 3) -> tuple[np.ndarray, list[str]]:
    """Frames (T, H, W, 3) of ours, what the model draws, the true model's and random ones; a label for each."""
    rows = [episodes[name] for name in ("pixels", "imagined", "true", "random")]
    gap = np.zeros((*rows[0].shape[:2], 1, 3), np.uint8)
    picture = np.concatenate([part for row in rows for part in (row, gap)][:-1], 2)
    frames = picture.repeat(magnify, 1).repeat(magnify, 2)
    every = (len(episodes["pixels_angle"]) - 1) // len(picture)
    return frames, [f"{every * t * DT:.1f} s" for t in range(len(frames))]


def fans(episodes: Mapping[str, np.ndarray]) -> Figure:
    """The frame of some steps, and where candidates of a plan would take the rod's tip, the later the further out."""
    frames, every = episodes["pixels"], (len(episodes["pixels_angle"]) - 1) // len(episodes["pixels"])
    figure, axes = plt.subplots(1, len(episodes["fans"]), figsize=(11, 2.2))
    for ax, t, paths in zip(axes, episodes["fan_frames"], episodes["fans"], strict=True):
        ax.imshow(frames[t // every], extent=(0, SIZE, SIZE, 0))
        radius = TIP * np.linspace(1, 2, paths.shape[1])
        for number, path in enumerate(paths):  # from much noise to hardly any
            color = plt.cm.Blues(0.3 + 0.7 * number / len(paths))
            ax.plot(SIZE / 2 - radius * np.sin(path), SIZE / 2 - radius * np.cos(path), color=color, lw=1)
        ax.set(xticks=[], yticks=[], title=f"{t * DT:.1f} s", xlim=(2, 62), ylim=(62, 2))
        ax.grid(False)
    return figure


def angles_over_time(episodes: Mapping[str, np.ndarray]) -> Figure:
    """The true angle of the three episodes, degrees from upright, continuous through 180."""
    figure, ax = plt.subplots(figsize=(7, 2.6))
    for name, label in {"pixels": "from pixels", "true": "true model and state", "random": "random torques"}.items():
        angle = np.degrees(np.unwrap(episodes[f"{name}_angle"]))
        ax.plot(DT * np.arange(len(angle)), angle, label=label)
    ax.set(xlabel="seconds", ylabel="degrees from upright", yticks=range(0, 271, 90))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def angle_between(episodes: Mapping[str, np.ndarray], one: str, other: str) -> float:
    """The largest angle between the rods of two episodes at the same time, degrees."""
    apart = episodes[f"{one}_angle"] - episodes[f"{other}_angle"]
    return float(np.degrees(np.abs(np.mod(apart + np.pi, 2 * np.pi) - np.pi)).max())


def efficiency_curve(results: Sequence[dict]) -> Figure | Markdown:
    """Training sequences against the worst error of a constant, and against the return; a line is a seed."""
    if not any("efficiency" in result for result in results):
        return not_measured("efficiency")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    for result in results:
        rows = by_sequences(result) if result.get("efficiency") else {}
        errors = {n: {"y": 100 * worst_error(row)} for n, row in rows.items()}
        _line(left, errors, "y", "C0", "with physics")
        _line(right, rows, "return_pixels", "C0", "with physics")
        _line(right, result.get("black_box", {}), "return_pixels", "C3", "without physics")
        _line(right, rows, "return_true_model", "black", "true model and state", ls="--", marker="")
    left.set(xscale="log", yscale="log", xlabel="training sequences", ylabel="worst error of g and a, %")
    right.set(xscale="log", yscale="symlog", xlabel="training sequences", ylabel="mean return")
    right.set_yticks([-100, -200, -400, -800, -1600], ["-100", "-200", "-400", "-800", "-1600"])
    _legend(right)
    plt.close(figure)  # a notebook shows what is returned; left open it would be shown twice
    return figure


def _line(ax: plt.Axes, rows: Mapping[str, dict], key: str, color: object, label: str, **look: object) -> None:
    """One seed's numbers over the numbers of sequences that name the rows."""
    counts = sorted(rows, key=int)
    look = {"marker": "o", "ls": "-", "lw": 1, "ms": 4, "alpha": 0.8} | look
    ax.plot([int(n) for n in counts], [rows[n][key] for n in counts], color=color, label=label, **look)


def _legend(ax: plt.Axes) -> None:
    """Each label once, however many seeds were drawn."""
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    ax.legend(handles.values(), handles.keys())


def goals_figure(results: Sequence[dict]) -> Figure | Markdown:
    """How far from each goal the rod is over the last 50 frames, and in how many episodes it is held: every seed."""
    played = [result["goals"] for result in results if "goals" in result]
    if not played:
        return not_measured("goals")
    names = sorted(max(played, key=len), key=float)
    figure, axes = plt.subplots(1, 2, figsize=(10, 3))
    for rows in played:
        places = [x for x, name in enumerate(names) if name in rows]
        for who, look in LOOKS.items():
            off = [rows[names[x]][f"off_{who}"] for x in places]
            held = [rows[names[x]][f"held_{who}"] / rows[names[x]]["resets"] for x in places]
            for ax, values in zip(axes, (off, held), strict=True):
                ax.scatter(places, values, alpha=0.7, **look)
    axes[0].axhline(HELD_DEGREES, color="red", lw=1)
    axes[0].set(yscale="log", ylabel="degrees off, last 50 frames")
    axes[1].set(ylabel="episodes that hold the goal", ylim=(-0.05, 1.05))
    for ax in axes:
        ax.set_xticks(range(len(names)), names, rotation=45)
        ax.set_xlabel("goal, degrees from upright")
    _legend(axes[1])
    plt.close(figure)
    return figure


# Tables of control, from the committed results.


def played_table(rows: Mapping[str, Mapping[str, object]]) -> pd.DataFrame:
    """One row for each name: what :func:`pig_lab.control.experiment.compared` says of the episodes."""
    return pd.DataFrame([
        {
            "": name,
            "return from pixels": round(row["return_pixels"], 1),
            "true model": round(row["return_true_model"], 1),
            "held from pixels": f"{row['held_pixels']} of {row['resets']}",
            "by the true model": f"{row['held_true_model']} of {row['resets']}",
        }
        for name, row in rows.items()
    ]).set_index("")  # fmt: skip


def seeds_table(results: Sequence[dict]) -> pd.DataFrame:
    """One row a seed: what was learned, and the return from pixels against the reference."""
    rows = [
        {
            "seed": r["seed"], "g": r["learned"]["g"], "a": r["learned"]["a"],
            "error of g, %": 100 * r["parameter_error"]["g"], "error of a, %": 100 * r["parameter_error"]["a"],
            "training, s": r["train_seconds"], "of the CPU": r.get("train_cpu_seconds"),
            "episodes": r.get("episodes", {}).get("resets"),
            "return from pixels": r["return_pixels"], "return, true model": r["return_true_model"],
            "swing-ups missed": r.get("episodes", {}).get("missed"), "plan, ms": r.get("plan_milliseconds"),
        }
        for r in results
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index("seed").round(3).astype(object).fillna("") if rows else pd.DataFrame()


def rows_table(results: Sequence[dict], part: str) -> pd.DataFrame | Markdown:
    """The rows of a part, such as "goals"; in each the numbers of all seeds, in the order of the seeds."""
    found: dict[str, dict[str, dict]] = {}
    for result in results:
        for name, row in result.get(part, {}).items():
            found.setdefault(name, {})[result["seed"]] = row
    if not found:
        return not_measured(part)
    table = [
        {
            part.replace("_", " "): name,
            "seeds": _listed(rows),
            "resets": _listed(sorted({row["resets"] for row in rows.values()})),
            "return, true model": _listed(sorted({round(row["return_true_model"], 1) for row in rows.values()})),
            "return from pixels": _listed(f"{row['return_pixels']:.1f}" for row in rows.values()),
            "lower by, %": _listed(f"{100 * row['relative']:.1f}" for row in rows.values()),
            "held, true model": _listed(sorted({row["held_true_model"] for row in rows.values()})),
            "held from pixels": _listed(row["held_pixels"] for row in rows.values()),
        }
        | _more(rows.values())
        for name, rows in sorted(found.items(), key=_place)
    ]
    return pd.DataFrame(table).set_index(part.replace("_", " ")).fillna("")


def rows_of(results: Sequence[dict], part: str) -> pd.DataFrame:
    """All rows of a part, those of every seed: its name, the seed, and what was measured."""
    return pd.DataFrame([
        {"seed": result["seed"], "name": name, **row}
        for result in results
        for name, row in result.get(part, {}).items()
    ])  # fmt: skip


def arrow_table(results: Sequence[dict]) -> pd.DataFrame | Markdown:
    """What the arrow of the last torque changes in the states that are seen, and what a model without it learns."""
    rows = [
        {
            "seed": run["seed"],
            "speeds differ by, rad/s": run["arrow"]["speed_difference"],
            "of it for each N m of torque": run["arrow"]["speed_difference_per_torque"],
            "angles differ by, rad": run["arrow"]["angle_difference"],
        }
        | _without_arrow(run.get("without_arrow"))
        for run in results
        if "arrow" in run
    ]
    return pd.DataFrame(rows).set_index("seed").round(4).fillna("") if rows else not_measured("arrow")


def worst_error(row: Mapping[str, Mapping[str, float]]) -> float:
    """The largest relative error of a constant."""
    return max(abs(error) for error in row["parameter_error"].values())


def not_measured(part: str) -> Markdown:
    """Says which command measures a part that no result has."""
    return Markdown(f"This has not been measured yet: `python -m pig_core control --parts {part}` does.")


def _without_arrow(row: dict | None) -> dict[str, float]:
    """A model that was trained and tested on pictures without the arrow."""
    if row is None:
        return {}
    return {
        "trained without it: worst error of g and a, %": 100 * worst_error(row),
        "return": row["return_pixels"],
        "return, true model": row["return_true_model"],
        "swing-ups missed": row["missed"],
    }


def _place(row: tuple[str, object]) -> float:
    """Rows that are named by numbers are in their order, others as they were measured."""
    try:
        return float(row[0])
    except ValueError:
        return 0.0


def _more(rows: Iterable[dict]) -> dict[str, str]:
    """What only some parts measure."""
    rows, more = list(rows), {}
    if "estimated" in rows[0]:
        more["gravity, median"] = _listed(f"{np.median(row['estimated']):.2f}" for row in rows)
        late = sorted({round(row["return_told_late"], 1) for row in rows})
        more[f"return, true model told after {WEIGHED[0]} frames"] = _listed(late)
    if "parameter_error" in rows[0]:
        more["worst error of g and a, %"] = _listed(f"{100 * worst_error(row):.2g}" for row in rows)
    if "error" in rows[0]:
        more["off after 10 frames, pixels"] = _listed(f"{row['error']:.2f}" for row in rows)
        more["and with physics"] = _listed(f"{row['error_physics']:.2f}" for row in rows)
    return more


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)


# The widgets of ``notebooks/control.ipynb``: drag the goal and gravity, and watch the pendulum obey.

PIXELS = 360  # side of the picture on the screen
PREVIEW = 20  # frames
AROUND = 28.0  # pixels of a frame from the pivot to the dial's scale
_SLIDER = {"style": {"description_width": "9em"}, "layout": {"width": "32em", "max_width": "100%"}}


class Cockpit:
    """One pendulum that is controlled from its frames alone, step by step; ``show`` says what to display.

    Args:
        model: as trained.
        reset: seed of the environment's start.
    """

    def __init__(self, model: PAIG, reset: int = 0):
        self.model, self.reset = model, reset
        self.play = widgets.Play(min=0, max=10**6, interval=60, description="go")
        self.goal = widgets.IntSlider(description="goal, degrees", min=-180, max=180, **_SLIDER)
        self.gravity = widgets.FloatSlider(
            TRUE_GRAVITY, description="gravity, m/s²", min=1, max=20, step=0.5, **_SLIDER
        )
        self.told = widgets.Checkbox(True, description="the model is told the gravity", indent=False)
        self.again = widgets.Button(description="start again")
        self.picture, self.text = widgets.HTML(), widgets.HTML()
        self.view = widgets.VBox([
            widgets.HBox([self.play, self.again, self.told]), self.goal, self.gravity, self.picture, self.text,
        ])  # fmt: skip
        self.play.observe(lambda change: self.step(), "value")
        self.goal.observe(lambda change: self.draw(), "value")
        self.again.on_click(lambda button: self.start())
        self.gravity.observe(lambda change: self.weigh(), "value")
        self.told.observe(lambda change: self.weigh(), "value")
        self.start()

    def show(self) -> widgets.VBox | HTML:
        """The widget; where nobody is there to move it, such as on a page, the picture after a second."""
        if person_watches():
            return self.view
        for _ in range(PREVIEW):
            self.step()
        return HTML(self.picture.value)

    def start(self) -> None:
        """Begin an episode where the environment's reset puts the pendulum."""
        self.pendulums, self.driver = Pendulums(1, self.gravity.value), Pixels(self.model)
        self.pendulums.reset([self.reset])
        self.planning, self.steps = Planner().start([self.reset]), 0
        self.weigh()
        self.step()

    def weigh(self) -> None:
        """Gravity was changed in the environment; in the model it is one number."""
        self.pendulums.environments[0].unwrapped.g = self.gravity.value
        told = self.model.physics.given(g=self.gravity.value)
        self.driver.physics = told if self.told.value else self.model.physics

    def step(self) -> None:
        """See a frame, plan, act, and draw what was seen and what is imagined."""
        started = time.perf_counter()
        self.driver.watch(self.pendulums)
        del self.driver.positions[:-8], self.driver.torques[:-8]
        torque, self.imagined = torch.zeros(1), torch.zeros(0, 2)
        if self.steps >= WAIT:
            goal = torch.tensor([math.radians(self.goal.value)])
            state = self.driver.state()
            plan = self.planning.step(*state, self.driver.physics, goal)
            torque = plan.torques[:, 0, 0]
            with torch.no_grad():
                path, _ = self.driver.physics.rollout(*state, plan.torques.shape[1], plan.torques)
                self.imagined = self.driver.physics.pose(path)[0, :, 0]
        took = 1e3 * (time.perf_counter() - started)
        self.draw()
        self.text.value = f"step {self.steps}, torque {torque.item():+.2f}, seen and planned in {took:.0f} ms"
        self.driver.acted(torque)
        self.pendulums.environments[0].unwrapped.state[0] %= 2 * math.pi  # it may turn for hours
        self.pendulums.step(torque.numpy())
        self.steps += 1

    def draw(self) -> None:
        """The last frame with the dial around it and the imagined positions (H, 2) over it."""
        physics, frame = self.model.physics, self.pendulums.frames()[0]
        (x, y), goal = physics.pivot.tolist(), math.radians(self.goal.value)
        mark = [(x - r * math.sin(goal), y - r * math.cos(goal)) for r in (AROUND - 3, AROUND)]
        line = " ".join(f"{a:.2f},{b:.2f}" for a, b in self.imagined.tolist())
        self.picture.value = (
            f'<svg role="img" aria-label="pendulum, goal and plan" width="{PIXELS}" viewBox="0 0 {SIZE} {SIZE}">'
            f'<image width="{SIZE}" height="{SIZE}" style="image-rendering:pixelated" href="{png_url(frame)}"/>'
            f'<circle cx="{x}" cy="{y}" r="{AROUND}" fill="none" stroke="#999" stroke-width=".3"/>'
            f'<path d="M{mark[0][0]:.2f} {mark[0][1]:.2f}L{mark[1][0]:.2f} {mark[1][1]:.2f}" stroke="#0173b2"/>'
            f'<polyline points="{line}" fill="none" stroke="#0173b2" stroke-width=".6"/></svg>'
        )
