"""What the paper claims, what we found, and a verdict that is computed: the table at the top of the report."""

import math
from dataclasses import dataclass

import pandas as pd
from IPython.display import Markdown

from ..common.files import results_folder
from ..control.experiment import by_sequences, load
from ..report.results import PAPER_VALUES, constants_of, load_results, successes
from ..report.tables import of_task, table
from ..tasks import TASKS
from .measures import errors_by_place, predicted_frames
from .studies import STUDIES, study_outputs, study_results

REPRODUCED, PARTLY, DIFFERS, OPEN = "**reproduced**", "**in part**", "**differs**", "not shown"
NO_RUN = "no full run"  # of the recipe ``paper``
NEAR = 0.03  # relative distance from the paper's number, as recalled, that counts as the same
GOOD = 0.10  # the paper's own "within 10 %"
ENOUGH = 0.05  # relative distance of a return from the reference's at which data are said to be enough


@dataclass(frozen=True)
class Claim:
    """One line of the table."""

    says: str  # what the paper claims
    number: str  # its number, as recalled
    paper: str  # what we found with the recipe ``paper``
    improved: str  # and with ``improved``
    verdict: str
    where: str  # link to the section

    @property
    def judged(self) -> str:
        """The verdict, and whether it rests on ``improved`` alone."""
        alone = self.verdict != OPEN and self.paper in (OPEN, NO_RUN)
        return self.verdict + (", with `improved`" if alone else "")


def claims(everything: pd.DataFrame) -> list[Claim]:
    """All of them, from the committed results (:func:`load_results`) and studies."""
    paper, improved = (everything[everything["recipe"] == recipe] for recipe in ("paper", "improved"))
    released = load_results(results_folder() / "released")
    return [
        *(
            _constant(task, name, quoted, *(of_task(runs, task) for runs in (paper, improved, released)))
            for task, numbers in PAPER_VALUES.items()
            for name, quoted in numbers.items()
        ),
        _within(paper, improved),
        _seeds(paper, improved),
        *_prediction(paper),
        _other_half(),
        _signal(),
        _data_efficiency(),
        *control_claims(),
    ]


def claims_table(rows: list[Claim]) -> Markdown:
    """The table; the paper's numbers are marked as recalled in its head."""
    header = ["the paper claims", "verdict", "its number, as recalled", "recipe `paper`, ours", "recipe `improved`", ""]
    return Markdown(table(header, [(c.says, c.judged, c.number, c.paper, c.improved, c.where) for c in rows]))


def _link(page: str, text: str) -> str:
    return f"[{text}]({page}.html)"


def _values(runs: pd.DataFrame, name: str) -> pd.Series:
    """A constant over the runs that found their objects and predict; the mass of a body is that of a known g."""
    found = constants_of(successes(runs))
    if name == "m":  # only g m^2 can be seen
        found = found.assign(name="m", learned=(found["learned"] / found["truth"]) ** 0.5)
    return found.loc[found["name"] == name, "learned"]


def _said(values: pd.Series, runs: pd.DataFrame) -> str:
    if values.empty:
        return NO_RUN if runs.empty else f"no seed of {len(runs)} predicts"
    spread = "" if len(values) == 1 else f" ({values.min():.4g} to {values.max():.4g})"
    return f"{values.median():.4g}{spread}, {len(values)} of {len(runs)} seeds"


def _constant(
    task: str, name: str, quoted: float, paper: pd.DataFrame, improved: pd.DataFrame, released: pd.DataFrame
) -> Claim:
    true, ours, placed = {**TASKS[task].truth, "m": 1.0}[name], _values(paper, name), _values(released, name)
    same = len(ours) and abs(ours.median() / quoted - 1) < NEAR
    verdict = OPEN if ours.empty else REPRODUCED if same and len(ours) == len(paper) else PARTLY if same else DIFFERS
    says = f"{TASKS[task].title}: ${name}$, truly {true:g}" + (", with $g$ known" if name == "m" else "")
    best = f"{_said(_values(improved, name), improved)}; with the released placement {placed.median():.4g}"
    return Claim(says, f"{quoted:g}", _said(ours, paper), best, verdict, _link("paper", "runs"))


def _within(paper: pd.DataFrame, improved: pd.DataFrame) -> Claim:
    counts = []
    for runs in (paper, improved):
        measured = runs[runs["learned"].map(len) > 0]
        good = [all(abs(error) < GOOD for error in run.error.values()) for run in measured.itertuples()]
        counts.append((sum(good), len(good)))
    ours, of = counts[0]
    verdict = REPRODUCED if ours == of else PARTLY if ours else DIFFERS
    text = [f"{n} of {total} runs" for n, total in counts]
    return Claim("constants within 10 % of the truth", "all", *text, verdict, _link("paper", "runs"))


def _seeds(paper: pd.DataFrame, improved: pd.DataFrame) -> Claim:
    """Counted are tasks that were run with several seeds."""
    paper, improved = (runs.groupby("task").filter(lambda runs: len(runs) > 1) for runs in (paper, improved))
    text = [f"{len(successes(runs))} of {len(runs)} runs find and predict" for runs in (paper, improved)]
    verdict = REPRODUCED if 0 < len(successes(paper)) < len(paper) else DIFFERS
    return Claim(
        "whether it works depends on the seed",
        "the authors' own note",
        *text,
        verdict,
        _link("paper", "why seeds fail"),
    )


def _prediction(paper: pd.DataFrame) -> list[Claim]:
    """Physics against each black box: image error beyond the trained frames, medians over seeds.

    Black boxes see with the eyes of ``improved``; behind those of ``paper`` none was run. Every seed of ``paper`` that
    predicts has to predict further than they do, and one has to.
    """
    found, others = [], pd.concat([study_results("dynamics"), study_results("frames")])
    physics = [name for name, options in STUDIES["dynamics"].variants.items() if "cell_type" not in options]
    for task in others["task"].unique():
        medians = of_task(others, task).groupby("variant")["extrap_loss"].median()
        ours, learned, boxes = medians["improved"], medians["physics"], medians.drop(physics)
        runs = of_task(paper, task)
        theirs = successes(runs)["extrap_loss"]
        worst = max([ours, learned, *theirs]) if len(theirs) or runs.empty else math.inf
        verdict = REPRODUCED if worst < boxes.min() else PARTLY if ours < boxes.min() else DIFFERS
        found.append(Claim(
            f"{TASKS[task].title}: physics predicts further than black boxes", "figure only",
            _said(theirs, runs) if theirs.empty else f"extrapolation loss {_said(theirs, runs)}",
            f"extrapolation loss {ours:.2g}, with a learned velocity {learned:.2g}; best black box "
            f"({boxes.idxmin()}) {boxes.min():.2g}", verdict, _link("ablations", "black boxes"),
        ))  # fmt: skip
    return found


def _other_half() -> Claim:
    images = predicted_frames(TASKS["spring_color_half"], study_outputs("decoder"))
    (_, network), (_, placed) = (errors_by_place(images[name], images["truth"]) for name in ("network", "placed"))
    return Claim(
        "placing templates generalises to the half never seen", "pictures only", OPEN,
        f"error there {placed:.2g}, of a network {network:.2g}", REPRODUCED if placed < network / 10 else DIFFERS,
        _link("ablations", "other half"),
    )  # fmt: skip


def _signal() -> Claim:
    medians = study_results("signal").groupby("variant")["extrap_loss"].median()
    joint, separate, alone = (medians[name] for name in ("joint_velocity", "separate_velocity", "autoencoder"))
    better, verdict = joint < 0.9 * separate, DIFFERS
    if better and separate < alone:
        verdict = REPRODUCED
    return Claim(
        "joint training beats separate gradients, and both beat an autoencoder alone", "table, not recalled", OPEN,
        f"extrapolation: joint {joint:.2g}, separate {separate:.2g}, autoencoder {alone:.2g}", verdict,
        _link("ablations", "training signal"),
    )  # fmt: skip


def _data_efficiency() -> Claim:
    errors = constants_of(study_results("datapoints"), keys=["task", "variant"])
    worst = errors.assign(error=100 * errors["error"].abs()).groupby("variant")["error"].max()
    return Claim(
        "few videos are enough, fewer than a black box needs", "figure only", OPEN,
        f"with 100 videos all constants of spring and three bodies within {worst['100']:.2g} %; no black box was run "
        "on so few", PARTLY if worst["100"] < 100 * GOOD else DIFFERS, _link("ablations", "how many videos"),
    )  # fmt: skip


def _elsewhere(played: list[dict]) -> tuple[str, str]:
    """What a change of gravity or goal costs, in words, and the verdict."""
    worst: dict[str, float] = {}
    for run in played:
        told = [row for name, row in run.get("gravity", {}).items() if name.endswith("told")]
        goals = [row for row in run.get("goals", {}).values() if row["holdable"]]
        for kind, rows in (("gravity", told), ("goal", goals)):
            for row in rows:
                worst[kind] = max(worst.get(kind, 0.0), abs(row["relative"]))
    if not worst:
        return OPEN, OPEN
    text = ", ".join(f"{kind}: within {100 * value:.2g} %" for kind, value in worst.items())
    verdict = REPRODUCED if len(worst) == 2 and max(worst.values()) < 0.03 else PARTLY
    return f"returns against the planner that knows; other {text}", verdict


def _enough(trained: list[dict], part: str) -> dict[int, list[bool]]:
    """Numbers of sequences -> of each seed measured, whether its return came within 5 % of the planner that knows."""
    found: dict[int, list[bool]] = {}
    for run in trained:
        for n, row in (by_sequences(run) if part == "efficiency" else run.get(part, {})).items():
            found.setdefault(int(n), []).append(abs(row["relative"]) < ENOUGH)
    return dict(sorted(found.items()))


def fewer(trained: list[dict]) -> tuple[str, str]:
    """With physics and without: from how many sequences on the return is as good, in words, and the verdict."""
    physics, box = (_enough(trained, part) for part in ("efficiency", "black_box"))
    physics = {n: good for n, good in physics.items() if len(good) == len(trained)}  # on every seed
    if not box or not physics:
        return OPEN, OPEN
    first, other = (
        next((n for n in each if all(all(each[m]) for m in each if m >= n)), None) for each in (physics, box)
    )
    said = [f"from {n} on" if n else f"not with {max(each)}" for n, each in ((first, physics), (other, box))]
    tried = ", ".join(f"{n} on {len(good)} of the seeds" for n, good in box.items())
    text = (
        f"return within {100 * ENOUGH:g} % of the planner that knows: with physics {said[0]}, on {len(trained)} seeds; "
        f"with an interaction network on the same positions {said[1]} (tried: {tried})"
    )
    saves = first is not None and any(not all(good) for n, good in box.items() if n >= first)
    return text, REPRODUCED if saves else DIFFERS


def control_claims() -> list[Claim]:
    """The pendulum: its constants and its returns, every seed that was trained."""
    where, trained = _link("control", "control"), load()
    played = [run for run in trained if run.get("episodes")]
    errors = [100 * abs(error) for run in trained for error in run["parameter_error"].values()]
    apart = [abs(run["episodes"]["relative"]) for run in played]
    missed = sum(run["episodes"]["missed"] for run in played)
    returns = ", ".join(f"{r['return_pixels']:.0f} against {r['return_true_model']:.0f}" for r in played)
    return [
        Claim(
            "pendulum: $g$ and actuation from video with random torques", "not recalled", OPEN,
            f"off by at most {max(errors):.2g} % on {len(trained)} seeds (median "
            f"{sorted(errors)[len(errors) // 2]:.2g} %)", REPRODUCED if max(errors) < 100 * GOOD else DIFFERS, where,
        ),
        Claim(
            "pendulum: swung up from pixels", "figure only", OPEN,
            f"return from pixels against a planner that knows model and state, by seed: {returns}; "
            f"{missed} swing-ups missed", REPRODUCED if max(apart) < 0.03 and not missed else PARTLY, where,
        ),
        Claim("pendulum: fewer sequences than a model without physics", "figure only", OPEN, *fewer(trained), where),
        Claim("pendulum: any goal, other gravity, no new data", "figures only", OPEN, *_elsewhere(played), where),
    ]  # fmt: skip
