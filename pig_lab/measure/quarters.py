"""How sure the place of an object is, from the object itself: where it would be drawn without a quarter of it.

Light that changes over a path, a shadow that touches the object and a string move one side of it and not the others.
No residual of a law shows that, because the place changes as smoothly as the motion does; but the sides disagree, and
a jackknife over quarters of the object says what constants owe to it (Efron and Stein, The jackknife estimate of
variance, 1981). The noise of the pixels is in it, too. What moves all sides alike it cannot see, as a shade that runs
evenly over the whole object.
"""

import numpy as np

from .appearance import Appearance, differences

QUARTERS = 4  # light that falls from one side changes about a quarter of an outline
TURNS = 2  # cuts of the object into quarters, the second between the first


def without_quarters(
    frames: np.ndarray, index: np.ndarray, background: np.ndarray, look: Appearance, positions: np.ndarray, tau: float
) -> np.ndarray:
    """By how much an object would be drawn elsewhere without each of its quarters, (TURNS, QUARTERS, n, 2) pixels.

    Args:
        index: (n,) numbers of the frames.
        positions: (n, 2) of the middle of the window, where the whole object is drawn best.
    """
    residual, weight, jx, jy = differences(frames, index, background, look, positions, tau)[:4]
    slopes = np.stack([jx, jy], -1)  # (n, m, m, 3, 2)
    pull = np.einsum("nhwc,nhwci,nhwc->nhwi", np.broadcast_to(weight, jx.shape), slopes, residual)
    firm = np.einsum("nhwc,nhwci,nhwcj->nhwij", np.broadcast_to(weight, jx.shape), slopes, slopes)
    reach = np.arange(len(look.mask)) - look.half
    turn = np.arctan2(reach[:, None] - look.centroid[1], reach[None] - look.centroid[0]) * QUARTERS / (2 * np.pi)
    all_pull, all_firm = pull.sum((1, 2)), firm.sum((1, 2))
    all_firm = all_firm + (1e-3 * np.trace(all_firm, axis1=1, axis2=2) + 1e-9)[:, None, None] * np.eye(2)
    moved = np.zeros((TURNS, QUARTERS, len(index), 2))
    for t in range(TURNS):
        part = np.floor((turn + t / TURNS) % QUARTERS).astype(int)
        for q in range(QUARTERS):
            left = all_pull - pull[:, part == q].sum(1), all_firm - firm[:, part == q].sum(1)
            moved[t, q] = -np.linalg.solve(left[1], left[0][..., None])[..., 0]
    return moved


def jackknife(numbers: np.ndarray) -> np.ndarray:
    """Covariance (p, p) of numbers that each come without one quarter, (TURNS, QUARTERS, p); of the mean over turns."""
    apart = numbers - numbers.mean(1, keepdims=True)
    return (QUARTERS - 1) / QUARTERS * np.einsum("tqi,tqj->ij", apart, apart) / len(numbers)
