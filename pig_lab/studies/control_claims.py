"""What the paper claims about control, with a verdict computed from the committed pendulums."""

from ..control.experiment import by_sequences, load
from .verdicts import DIFFERS, GOOD, OPEN, PARTLY, REPRODUCED, Claim, link

ENOUGH = 0.05  # relative distance of a return from the reference's at which data are said to be enough


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
    where, trained = link("control", "control"), load()
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
