"""What an object looks like: its content and mask over a background, drawn at a position between the pixels.

A frame is drawn as I = a c + (1 - a) B: content c, mask a, background B. All pictures are float32 in [0, 1].
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SOLID = 0.03  # strength of the prior that a mask is 0 or 1, in intensity squared
INSIDE = 0.1  # weight of an inside beside that of the outline: light moves over an inside, an outline is where it is
THIN = 0.6  # of an object's half thickness: what is thinner hangs on it, and is not of it
GROWN = 2  # pixels by which a window is larger than its mask


@dataclass
class Appearance:
    """Content (m, m, 3) and mask (m, m) in [0, 1] of an object, m odd; its position is the middle."""

    content: np.ndarray
    mask: np.ndarray

    @property
    def half(self) -> int:
        """Pixels from the middle to the edge of the window."""
        return len(self.mask) // 2

    @property
    def diameter(self) -> float:
        """Of a disc with the mask's area, pixels."""
        return 2 * float(np.sqrt(self.mask.sum() / np.pi))

    @property
    def centroid(self) -> np.ndarray:
        """Of the mask, from the middle of the window, (2,) pixels."""
        reach = np.arange(len(self.mask)) - self.half
        return np.array([self.mask.sum(0) @ reach, self.mask.sum(1) @ reach]) / max(float(self.mask.sum()), 1e-9)


def _taps(fraction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the four neighbours by Catmull and Rom's cubic, and their derivatives, (n, 4) each."""
    f = fraction[:, None]
    weights = np.concatenate(
        [-f + 2 * f**2 - f**3, 2 - 5 * f**2 + 3 * f**3, f + 4 * f**2 - 3 * f**3, -(f**2) + f**3], 1
    )
    slopes = np.concatenate([-1 + 4 * f - 3 * f**2, -10 * f + 9 * f**2, 1 + 8 * f - 9 * f**2, -2 * f + 3 * f**2], 1)
    return (weights / 2).astype(np.float32), (slopes / 2).astype(np.float32)


def sample(images: np.ndarray, index: np.ndarray, centres: np.ndarray, half: int, slopes: bool = False):
    """Windows around positions between the pixels.

    Args:
        images: (T, h, w, 3), uint8 or float.
        index: (n,) which image each window is cut from.
        centres: (n, 2) x, y; beyond the border its pixels are repeated.
    Returns:
        (n, m, m, 3) float32, m = 2 half + 1; with ``slopes`` also the derivatives in x and y.
    """
    height, width = images.shape[1:3]
    base = np.floor(centres).astype(int)
    (wx, dx), (wy, dy) = (_taps((centres - base)[:, axis]) for axis in (0, 1))
    reach = np.arange(-half - 1, half + 3)
    rows = np.clip(base[:, 1:] + reach, 0, height - 1)
    columns = np.clip(base[:, :1] + reach, 0, width - 1)
    block = images[index[:, None, None], rows[:, :, None], columns[:, None, :]].astype(np.float32)
    if images.dtype == np.uint8:
        block /= 255
    m = 2 * half + 1

    def along(block: np.ndarray, taps: np.ndarray, axis: int) -> np.ndarray:
        part = [block[:, i : i + m] if axis == 1 else block[:, :, i : i + m] for i in range(4)]
        total = part[0] * taps[:, 0, None, None, None]
        for i in range(1, 4):
            total += part[i] * taps[:, i, None, None, None]
        return total

    across = along(block, wx, 2)
    value = along(across, wy, 1)
    if not slopes:
        return value
    return value, along(along(block, dx, 2), wy, 1), along(across, dy, 1)


def robust(square: np.ndarray, tau: float) -> np.ndarray:
    """Geman and McClure's loss of squared residuals: r^2 / (1 + r^2 / tau^2)."""
    return square / (1 + square / tau**2)


def _around(look: Appearance) -> np.ndarray:
    """Pixels in which an object is compared with a frame, (m, m, 1): its own and those next to them."""
    return ndimage.binary_dilation(look.mask > 0.1, iterations=1)[..., None]


def differences(
    frames: np.ndarray, index: np.ndarray, background: np.ndarray, look: Appearance, where: np.ndarray, tau: float
) -> tuple[np.ndarray, ...]:
    """A frame less what is drawn at positions ``where`` (n, 2), and what a step would change.

    Returns:
        residual (n, m, m, 3); its robust weights (n, m, m, 1); its change with x and with y (n, m, m, 3); its square
        (n, m, m, 1); the frame less the background (n, m, m, 3).
    """
    inside = ndimage.binary_erosion(look.mask > 0.5, iterations=2)
    weigh = np.where(inside & (inside.sum() >= 9), INSIDE, 1.0)[..., None]  # a few pixels have no inside
    clear = (1 - look.mask)[..., None]
    image, ix, iy = sample(frames, index, where, look.half, True)
    behind, bx, by = sample(background[None], np.zeros(len(index), int), where, look.half, True)
    residual = image - clear * behind - look.mask[..., None] * look.content
    square = np.einsum("nhwc,nhwc->nhw", residual, residual)[..., None]
    weight = weigh * _around(look) / (1 + square / tau**2) ** 2
    return residual, weight, ix - clear * bx, iy - clear * by, square, image - behind


def refine(
    frames: np.ndarray, index: np.ndarray, background: np.ndarray, look: Appearance, positions: np.ndarray,
    tau: float = 0.25, rounds: int = 4,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Positions at which the object is drawn best nearby: Gauss-Newton with robust weights.

    Returns:
        positions (n, 2), and how much of what differs from the background is explained there, (n,), at most 1.
    """
    where = positions.astype(float).copy()
    for last in [False] * rounds + [True]:
        residual, weight, jx, jy, square, moved = differences(frames, index, background, look, where, tau)
        if last:
            area = _around(look)
            explained = (robust(square, tau) * area).sum((1, 2, 3))
            moving = (robust((moved**2).sum(-1, keepdims=True), tau) * area).sum((1, 2, 3))
            return where, 1 - explained / np.maximum(moving, 1e-6)
        pull = [weight * x for x in (jx, jy)]
        xx, xy, yy = (np.einsum("nhwc,nhwc->n", pull[i], x) for i, x in ((0, jx), (0, jy), (1, jy)))
        gx, gy = (np.einsum("nhwc,nhwc->n", x, residual) for x in pull)
        damp = 1e-3 * (xx + yy) + 1e-9
        xx, yy = xx + damp, yy + damp
        det = xx * yy - xy**2
        step = -np.stack([yy * gx - xy * gy, xx * gy - xy * gx], -1) / det[:, None]
        where += np.clip(step, -1, 1)
        where = positions + np.clip(where - positions, -3, 3)


def learn(
    frames: np.ndarray, index: np.ndarray, background: np.ndarray, positions: np.ndarray, weights: np.ndarray,
    half: int, before: Appearance | None, noise: float, tau: float = 0.25,
) -> tuple[Appearance, np.ndarray]:  # fmt: skip
    """The object's look from the frames in which it was found.

    In each pixel of the window I - B = a c - a B is a regression on B over the frames; where the background is too even
    to tell, the mask is pulled to 1 if the picture is steadier than what moves in it, else to 0.

    Args:
        weights: of the frames, (n,).
        before: the look so far, which outliers are told by.
        noise: of the video.
    Returns:
        the look, and by how much its middle lies off the old one, (2,) pixels.
    """
    image = sample(frames, index, positions, half)
    behind = sample(background[None], np.zeros(len(index), int), positions, half)
    weight = np.broadcast_to(weights[:, None, None, None], (*image.shape[:3], 1)).astype(np.float32)
    if before is not None:
        pad = half - before.half
        mask, content = _fitted(before.mask, pad), _fitted(before.content, pad)
        residual = image - (1 - mask[..., None]) * behind - (mask[..., None] * content)
        weight = weight / (1 + (residual**2).sum(-1, keepdims=True) / tau**2) ** 2
    weight = weight / np.maximum(weight.sum(0), 1e-9)
    moved = image - behind
    mean_d, mean_b, mean_i = ((weight * x).sum(0) for x in (moved, behind, image))
    var_b = (weight * (behind - mean_b) ** 2).sum(0).sum(-1)
    cov = (weight * (behind - mean_b) * (moved - mean_d)).sum(0).sum(-1)
    energy = (weight * moved**2).sum(0).sum(-1)
    spread = (weight * (image - mean_i) ** 2).sum(0).sum(-1)
    floor = 3 * noise**2
    steady = 1 - spread / np.maximum(energy, 1e-9)
    solid = np.clip((np.sqrt(energy) - 3 * noise * np.sqrt(3)) / (3 * noise * np.sqrt(3)), 0, 1)
    solid = solid * np.clip(2 * steady, 0, 1)
    a = np.clip((-cov + SOLID * solid) / (var_b + SOLID), 0, 1)
    a[energy < 4 * floor] = 0
    c = np.clip((mean_d + a[..., None] * mean_b) / np.maximum(a, 0.05)[..., None], 0, 1)
    labels, count = ndimage.label(a > 0.25)
    if not count:
        return Appearance(c, np.zeros_like(a)), np.zeros(2)
    largest = 1 + np.argmax(ndimage.sum_labels(a, labels, np.arange(1, count + 1)))
    part = _without_strings(ndimage.binary_fill_holes(labels == largest))
    a, c = _matted(part, c, mean_d, mean_b)
    rows, columns = np.nonzero(a > 0.05)
    middle = np.array([(a * np.arange(len(a))).sum(), (a * np.arange(len(a))[:, None]).sum()]) / a.sum()
    shift = np.rint(middle - half).astype(int)
    extent = np.abs(np.stack([columns, rows], -1) - half - shift).max()
    new = int(min(extent + GROWN, half + 4))
    return Appearance(_window(c, shift, new), _window(a, shift, new)), shift.astype(float)


def _without_strings(part: np.ndarray) -> np.ndarray:
    """The part without what is much thinner than its thickest place: a string, a rod, a tail of shadow."""
    depth = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
    thin = THIN * float(depth.max())
    if thin < 2.5:
        return part  # too small to tell
    return part & (ndimage.distance_transform_edt(depth <= thin) <= thin)


def _matted(part: np.ndarray, content: np.ndarray, moved: np.ndarray, behind: np.ndarray) -> tuple:
    """Mask and content of a solid object with soft edges: its rim is a mixture of inside and background.

    Args:
        part: (m, m) where the object is, edges included.
        moved, behind: (m, m, 3) the mean difference from the background, and the mean background.
    """
    inside = ndimage.binary_erosion(part, iterations=2)
    if inside.sum() < 4:
        strength = np.linalg.norm(moved, axis=-1) * part  # too small to have an inside: as solid as it stands out
        return (strength / max(float(strength.max()), 1e-6)).astype(np.float32), content
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    rim = ndimage.binary_dilation(part) & ~inside
    pure = content[tuple(nearest)]
    contrast = pure - behind
    share = np.clip((moved * contrast).sum(-1) / np.maximum((contrast**2).sum(-1), 1e-3), 0, 1)
    mask = np.where(inside, 1.0, np.where(rim, share, 0.0)).astype(np.float32)
    return mask, np.where(rim[..., None], pure, content)


def _fitted(picture: np.ndarray, pad: int) -> np.ndarray:
    """A square picture with ``pad`` pixels more (fewer, if negative) on each side."""
    if pad < 0:
        return picture[-pad:pad, -pad:pad]
    return np.pad(picture, [(pad, pad), (pad, pad)] + [(0, 0)] * (picture.ndim - 2))


def _window(picture: np.ndarray, shift: np.ndarray, half: int) -> np.ndarray:
    """The part of a square picture around a middle moved by ``shift``, zero outside."""
    room = half + int(np.abs(shift).max())
    large = _fitted(picture, max(0, room - len(picture) // 2))
    x, y = len(large) // 2 + shift
    return large[y - half : y + half + 1, x - half : x + half + 1]


# How sure the place of an object is, from the object itself: where it would be drawn without a quarter of it.

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
