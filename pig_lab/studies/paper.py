"""The recipe ``paper`` run to its end: which seeds find their objects, and why their constants come out biased."""

import json
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy.optimize import least_squares
from torch import Tensor, nn

from pig_core.decoder import Decoder, TemplateDecoder
from pig_core.encoder import BACKGROUND_LOGIT, mass_moments
from pig_core.evaluate import judge, to_bytes
from pig_core.model import to_video
from pig_core.physics import Law
from pig_core.state import State, fit_state, guess_state
from pig_core.system import results_folder
from pig_core.tasks import RECONS_THRESHOLD, TASKS, Task

from ..estimate import Estimate, estimate
from ..report.results import KEYS, benchmark, load_curves, load_images, load_results, read_table, successes, table_path
from ..report.style import LOSS_LABEL, PALETTE, image_grid
from ..trained import Trained

DOTS = 300  # of the figure of velocity errors
FITS = 8  # Gauss-Newton steps to the best state of a video
ROUNDS = 4  # of the search for a template's reference point; one pixel moves the drawn object by nearly one


@torch.no_grad()
def explain(trained: Trained) -> dict[str, object]:
    """Why the constants of a run are what they are: its positions and velocities on fresh videos.

    Returns:
        "outside": share of the predicted positions outside the image; "velocity": rms of the model's velocities and of
        the last differences of positions, pixels per second. If the run finds its objects, also: "origins": see
        :func:`origins`; "fitted": constants (value, bootstrap standard deviation) if every video's state is fitted to
        the positions; "centred": the same with positions counted from the drawn objects. If it predicts, also:
        "with_network": the constants that fit best with the model's own states; "error_rms": rms of the model's
        velocities against the fitted ones, pixels per second; "lag": seconds by which the model's velocity lags, if its
        error is a multiple of the acceleration; "lag_share": the part of the squared outward error that this explains;
        "dots": outward acceleration (pixels per second squared) and outward velocity error (pixels per second).
    """
    task, model = trained.task, trained.model
    positions = torch.from_numpy(trained.evaluation.positions)  # (N, L+P, K, 2)
    rollout = torch.from_numpy(trained.evaluation.rollout)[:, : task.pred_steps]
    outside = ((rollout < 0) | (rollout > task.image_size)).any(-1).double().mean().item()
    steps, substeps, values = task.input_steps, model.physics.substeps, model.physics.values()
    guess, theirs = guess_state(positions, steps - 1, model.physics), model.state(positions[:, :steps])
    found = {"outside": outside, "velocity": {"model": _rms(theirs[1]), "differences": _rms(guess[1])}}
    judged = judge(trained.evaluation.metrics, values, task)
    if not judged["discovered"]:
        return found
    offsets = template_origins(model, task.n_objects)
    fitted, centred = (fit(seen, task, substeps) if values else {} for seen in (positions, positions + offsets))
    found["origins"] = offsets.tolist()
    for name, fits in (("fitted", fitted), ("centred", centred)):
        found[name] = {constant: [each.value, each.bootstrap] for constant, each in fits.items()}
    if outside > 0.5 or not judged["predicted"]:
        return found
    law = task.physics(substeps, {name: each.value for name, each in fitted.items()})
    best = fit_state(positions, steps - 1, guess, law, FITS)
    error = theirs[1] - best[1]
    return {
        **found,
        "with_network": constants_given(theirs, positions[:, steps:], task.physics(substeps, values)) if values else {},
        "error_rms": _rms(error),
        **lag_of(best[0], law.acceleration(*best), error),
    }


def fit(positions: Tensor, task: Task, substeps: int) -> dict[str, Estimate]:
    """Constants from positions (N, L+P, K, 2) alone; starts from those that fit the last differences of positions."""
    physics, last = task.physics(substeps), task.input_steps - 1
    start = constants_given(guess_state(positions, last, physics), positions[:, last + 1 : last + 2], physics)
    return estimate(positions, task, start, substeps)


def constants_given(state: State, later: Tensor, law: Law) -> dict[str, float]:
    """The constants with which rollouts from states, (N, K, D) each, fit the later positions (N, P, K, D) best."""
    law, pos, vel = law.double(), state[0].double(), state[1].double()
    numbers = [law.learned(name) for name in law.constants]

    def residuals(values: np.ndarray) -> np.ndarray:
        for number, value in zip(numbers, values, strict=True):
            number.fill_(value)
        return (law.rollout(pos, vel, later.shape[1])[0] - later).flatten().numpy()

    # A trust region: the start may be far off.
    residuals(least_squares(residuals, [number.item() for number in numbers]).x)
    return law.values()


def lag_of(pos: Tensor, acceleration: Tensor | None, error: Tensor) -> dict[str, object]:
    """Outward parts of accelerations and velocity errors, (N, K, D) each, and the line through them."""
    if acceleration is None or pos.shape[1] < 2:
        return {}
    outward = torch.nn.functional.normalize(pos - pos.mean(1, keepdim=True), dim=-1)
    x, y = ((outward * vector).sum(-1).flatten() for vector in (acceleration, error))
    slope = (x * y).sum() / x.square().sum()
    share = 1 - (y - slope * x).square().sum() / y.square().sum()
    dots = [[round(number, 3) for number in pair] for pair in torch.stack([x, y], 1)[:DOTS].tolist()]
    return {"lag": -slope.item(), "lag_share": share.item(), "dots": dots}


@torch.no_grad()
def origins(decoder: Decoder, n_objects: int) -> Tensor:
    """The offset from positions to the centres of the drawn objects, (K, 2), pixels.

    A template that holds its disc off its middle, and positions that are off by as much the other way, draw the same
    images; only physics between objects depends on the difference. Each object is drawn alone, the others far outside,
    and moved until the centre of mass of what changes is in the middle of the image. The truth is not used. There is no
    gradient; an object that is not drawn has offset 0.
    """
    size, device = decoder.image_size, next(decoder.parameters()).device
    centres = torch.arange(size, device=device) + 0.5
    alone = torch.eye(n_objects, dtype=torch.bool, device=device).unsqueeze(-1)
    outside = torch.full((n_objects, n_objects, 2), -4.0 * size, device=device)
    position, empty = torch.full_like(outside[0], size / 2), decoder(outside[:1])
    for _ in range(ROUNDS):
        weight = (decoder(torch.where(alone, position, outside)) - empty).square().sum(1)  # (K, S, S)
        position = position + size / 2 - mass_moments(weight, centres)[0]
    return size / 2 - position


def template_origins(model: nn.Module, n_objects: int) -> Tensor:
    """:func:`origins` of a model with plain templates; 0 for other decoders, (K, 2), pixels."""
    if type(model.decoder) is not TemplateDecoder:
        return torch.zeros(n_objects, 2)
    return origins(model.decoder, n_objects)


def shown(trained: Trained, index: int = 0) -> dict[str, np.ndarray]:
    """One fresh video and the model's images of it, uint8: "video", "recons", "prediction" (T, S, S, C), "masks".

    "templates" (K, h, h, C) are contents times masks.
    """
    evaluation, output = trained.evaluation, trained.evaluation.output
    images = {"video": evaluation.video, "recons": output.recons, "prediction": output.prediction}
    masks = (output.masks[index] * 255).round().byte().numpy()  # (L+P, K, S, S)
    contents, logits, _ = trained.model.appearance()
    drawn = {"masks": masks, "templates": to_bytes(contents * (logits - BACKGROUND_LOGIT).sigmoid())}
    return {**{name: to_bytes(frames[index]) for name, frames in images.items()}, **drawn}


def full_runs(study: str = "sweep") -> pd.DataFrame:
    """Runs of the recipe ``paper`` to their end, with the columns of :func:`explain` and the study's name."""
    runs = load_results(study).query("recipe == 'paper'").reset_index(drop=True)
    explained = pd.DataFrame([each if isinstance(each, dict) else {} for each in runs["explained"]])
    new = explained.columns.difference(runs.columns)
    return runs.drop(columns="explained").join(explained[new]).assign(study=study)


def dynamics_again() -> pd.DataFrame:
    """Dynamics that were trained once more on the encoder and decoder of full runs, a row per training.

    "variant" is "behind: ..." for the dynamics of the study "dynamics" on the run's positions, and "restart: ..." for
    the run's own velocity network and constants from another start. The programs are in the repository at "commit".
    """
    return pd.DataFrame(read_table(table_path("again")))


def expectations() -> pd.DataFrame:
    """Every number that was registered before its run: columns question, run, what, low, high, because."""
    registered = json.loads((results_folder() / "predictions.json").read_text())
    return pd.DataFrame([
        {"question": name, "run": run, "what": what, "low": low, "high": high, "because": ranges.get("because", "")}
        for name, each in registered.items()
        for run, ranges in each["expected"].items()
        for what, (low, high) in ((what, limits) for what, limits in ranges.items() if what != "because")
    ])  # fmt: skip


def velocity_ways(noise: float = 0.06) -> pd.DataFrame:
    """How much the velocity lags if it is learned or computed in several ways, a row per network or linear estimator.

    All see simulated positions with ``noise`` pixels, that of the encoders of full runs. "own" is the k that fits best
    with the estimated velocities, "learned" the k of networks that learn it together with the velocity.
    """
    networks = benchmark("late")["result"]["spring_color"]
    linear = [row | {"way": f"linear, {row['way']}"} for row in benchmark("linear")["result"]["spring_color"]["rows"]]
    return pd.DataFrame([
        {**row, "own": row["with_network"]["k"], "learned": row.get("learned", {}).get("k")}
        for row in (*networks, *linear) if row["noise"] == noise
    ])  # fmt: skip


def outcomes() -> dict[tuple[str, str], dict[str, float]]:
    """The numbers of the runs that something was registered about, by question and run; runs that exist."""
    sweep, full, again = full_runs(), full_runs("full"), dynamics_again().set_index("variant")
    found = {}
    for study, runs in (("sweep", sweep), ("full", full)):
        for run in runs.to_dict("records"):
            numbers = {"outside": run["outside"], **run["learned"]}
            label, seed = run["variant"], f"s{run['seed']}"
            if study == "full":
                found |= {(question, label): numbers for question in ("two_by_two", "training_signal")}
                found[label.removesuffix("_loss"), seed] = numbers
            else:
                size = run["config"]["batch_size"]
                name = f"{run['task']}, batch {size}, seed {run['seed']}, 25,000 updates"
                found["screening", name] = numbers
                if (size, run["seed"]) == (20, 0):
                    found["tasks", run["task"]] = numbers
    for row in again.reset_index().to_dict("records"):
        kind, _, name = row["variant"].partition(": ")
        key = ("behind", f"s{row['seed']}_{name}") if kind == "behind" else ("restart", name)
        found[key] = {"extrap_loss": row["extrap_loss"], "outside": row["outside"], **row["learned"]}
    blind = sweep.query("task == 'spring_color' and variant == 'batch 20' and seed == 3").iloc[0]
    priced, separate = (full[full["variant"] == name].iloc[0] for name in ("outside_loss", "separate"))
    for key, fits in (
        (("eyes", "s3"), blind["fitted"]), (("eyes", "s3_with_a_price"), priced["fitted"]),
        (("origins", "s3_fitted_centred"), blind["centred"]),
    ):  # fmt: skip
        found[key] = {name: value for name, (value, _) in fits.items()}
    found["origins", "rest_centred"] = found["restart", "rest centred"]
    found["origins", "separate"] = {"apart": apart(separate)}
    ways = velocity_ways().groupby("way")[["lag", "learned", "own"]].median()
    found |= {("late", way): {"lag": row["lag"], "k": row["learned"] if row["learned"] > 0 else row["own"]}
              for way, row in ways.iterrows()}  # fmt: skip
    return found


def compared() -> pd.DataFrame:
    """:func:`expectations` with the number "found" and "outcome": missed, met, or not run."""
    found, table = outcomes(), expectations()
    table["found"] = [found.get((row.question, row.run), {}).get(row.what) for row in table.itertuples()]
    met = table["found"].between(table["low"], table["high"])
    table["outcome"] = np.where(table["found"].isna(), "not run", np.where(met, "met", "missed"))
    return table.sort_values("outcome", key=lambda each: each.map({"missed": 0, "met": 1, "not run": 2}), kind="stable")


def apart(run: pd.Series) -> float:
    """The largest distance between the reference points of two of a run's objects, against the truth, pixels."""
    offset = torch.tensor(run.position_offset)  # (K, 2)
    return torch.cdist(offset, offset).max().item()


def course(runs: pd.DataFrame) -> Figure:
    """Losses and constants of full runs of one task against updates, a line per run; dotted: threshold or truth."""
    task = TASKS[runs["task"].iloc[0]]
    curves = pd.concat([load_curves(study).assign(study=study) for study in runs["study"].unique()])
    limits = {"recons_loss": RECONS_THRESHOLD, "pred_loss": task.pred_threshold, **task.truth}
    figure, axes = plt.subplots(1, len(limits), figsize=(2.9 * len(limits), 3))
    for ax, (name, limit) in zip(axes, limits.items(), strict=True):
        for color, run in zip(PALETTE, runs.itertuples(), strict=False):
            own = curves[["study", *KEYS]].eq([getattr(run, key) for key in ("study", *KEYS)]).all(axis=1)
            line = curves[own].dropna(subset=name)
            variant = f", {run.variant}" if runs["variant"].nunique() > 1 else ""
            style = "-" if run.discovered and run.predicted else "--"
            ax.plot(line["step"], line[name], style, color=color, lw=1, label=f"seed {run.seed}{variant}")
        ax.axhline(limit, color="0.4", ls=":")
        loss = name.endswith("loss")
        ax.set(title=name, xlabel="updates", ylabel=LOSS_LABEL if loss else name, yscale="log" if loss else "linear")
    axes[-1].legend()
    return figure


def drawn(runs: pd.DataFrame) -> Figure:
    """A frame, its reconstruction, the last prediction and the templates of several runs, a column each."""
    names = {"frame": "video", "reconstruction": "recons", "last prediction": "prediction"}
    rows, most = {name: [] for name in names}, max(TASKS[task].n_objects for task in runs["task"])
    rows |= {f"template {k + 1}": [] for k in range(most)}
    for run in runs.itertuples():
        arrays = load_images(f"{run.study}/{run.variant}/{run.task}-{run.recipe}-s{run.seed}")
        last = len(arrays["masks"]) - 1  # the last frame that training sees
        times = {"video": last, "recons": last, "prediction": last - TASKS[run.task].input_steps}
        for name, array in names.items():
            rows[name].append(to_video(torch.from_numpy(arrays[array]))[times[array]])
        templates = to_video(torch.from_numpy(arrays.get("templates", np.zeros((0, 2, 2, 3), np.uint8))))
        for k in range(most):
            rows[f"template {k + 1}"].append(templates[k] if k < len(templates) else None)
    titles = [f"{TASKS[run.task].title},\nseed {run.seed}" for run in runs.itertuples()]
    return image_grid(rows, titles, 1.2)[0]


def velocity_errors(runs: pd.DataFrame) -> Figure:
    """Outward error of the learned velocity against outward acceleration, a panel per run that predicts."""
    runs = successes(runs).dropna(subset="dots")
    figure, axes = plt.subplots(1, len(runs), figsize=(3.1 * len(runs), 3), sharey=True, squeeze=False)
    for ax, run in zip(axes[0], runs.itertuples(), strict=True):
        x, y = np.array(run.dots).T
        ax.plot(x, y, ".", ms=4, alpha=0.5, color=PALETTE[0])
        ax.axline((0, 0), slope=-run.lag, color=PALETTE[3], lw=1.5)
        ax.set(title=f"seed {run.seed}: lags {run.lag:.3f} s", xlabel="outward acceleration in pixels/s²")
    axes[0, 0].set_ylabel("outward velocity error in pixels/s")
    return figure


def against_expectation(compared: pd.DataFrame, truth: Mapping[str, float]) -> Figure:
    """Numbers found (dots) with the ranges registered before the runs (bars); dotted: true.

    Args:
        compared: columns run, what, low, high, found.
    """
    names = list(compared["what"].unique())
    figure, axes = plt.subplots(1, len(names), figsize=(4.6 * len(names), 2.6), sharey=True)
    for ax, name in zip(axes, names, strict=True):
        part = compared[compared["what"] == name]
        rows = range(len(part))
        ax.hlines(rows, part["low"], part["high"], color=PALETTE[7], lw=9, alpha=0.5)
        ax.plot(part["found"].astype(float), rows, "o", color=PALETTE[0])
        ax.axvline(truth[name], color="0.4", ls=":")
        ax.set(title=name, xlabel="learned value")
        ax.set_yticks(rows, part["run"].str.replace("_", ", "))
    axes[0].invert_yaxis()
    return figure


def _rms(vectors: Tensor) -> float:
    return vectors.square().mean().sqrt().item()
