"""The what-if of a measured clip: sliders for its law, drawn over the clip in a page without a kernel."""

import base64
import io

import imageio.v3 as imageio
import numpy as np
from IPython.display import HTML, Markdown

from ..measure.law import ClipLaw
from ..measure.measure import Measurement
from .panels import column, panel
from .whatif import SPEEDS, slider_range

PLAYED, WIDE = 60, 400  # frames and pixels across, at most, of a clip on a page
MOVING = ("vx", "vy", "rate")  # the numbers of a law that are velocities at its time zero


def clip_what_if(found: Measurement) -> HTML | Markdown:
    """Sliders for the constants of one object's law and its speed, or a sentence where a page does not know the law."""
    fit, clip, law = found.fit, found.clip, found.fit.law
    if law.objects != 1:
        return Markdown("*Laws of several objects are not written in JavaScript: a page cannot ask them.*")
    used = np.flatnonzero(fit.used)
    shown = used[np.unique(np.linspace(0, len(used) - 1, PLAYED).round().astype(int))]
    step = max(1, round(clip.frames.shape[2] / WIDE))
    frames = clip.frames[shown][:, ::step, ::step]
    times = clip.times[shown]
    # Pixels of the file to those of a frame here, whose (0, 0) is the corner of a pixel, not its middle.
    scale = 1 / (clip.scale * step)
    shift = clip.from_file(np.zeros(2)) / step + 0.5
    pause = 1000 * (times[-1] - times[0]) / len(times)
    data = {
        "law": f"{type(law).__module__}.{type(law).__qualname__}",
        "numbers": dict(zip(law.numbers, fit.numbers.tolist(), strict=True)),
        "sliders": _sliders(law, fit.numbers), "times": (times - fit.zero).tolist(),
        "track": found.positions[shown, 0].round(3).tolist(), "labels": [f"{time:.2f} s" for time in times],
        "sheet": _jpeg_url(column(frames)), "height": frames.shape[1], "width": frames.shape[2],
        "scale": scale.tolist(), "shift": shift.tolist(), "radius": found.tracks[0].look.diameter / 2 / step + 2,
        "pause": round(float(np.clip(pause, 30, 500))),
    }  # fmt: skip
    return panel("clip", data, "What if? The constants of a clip's law, to be changed")


def _sliders(law: ClipLaw, numbers: np.ndarray) -> list[dict[str, object]]:
    """One for each constant that is a number of the law, and one for its speed; see ``browser/clip.js``."""
    values, found = dict(zip(law.numbers, numbers.tolist(), strict=True)), []
    for name in [name for name in law.numbers if name in law.constants or name in ("ax", "ay")]:
        value, constant = values[name], law.constants.get(name)
        if constant is not None and constant.positive:
            low, *_, high = slider_range(value)
        else:  # a part of a velocity or an acceleration: as far as the whole one is large, both ways
            whole = np.hypot(*(values.get(name[0] + axis, value) for axis in "xy")) or 1.0
            low, high = value - whole, value + whole
        unit = constant.unit if constant else "pixels/s²"
        found.append({
            "label": name, "names": [name], "unit": "" if unit == "1" else unit, "value": value,
            "low": float(max(low, law.lowest.get(name, -np.inf))), "high": float(high),
            "log": bool(constant and constant.positive and value > 0),
        })  # fmt: skip
    if moving := [name for name in law.numbers if name in MOVING]:
        found.append({"label": "speed", "names": moving, "factor": True, "unit": "times", "value": 1.0,
                      "low": SPEEDS[0], "high": SPEEDS[-1]})  # fmt: skip
    return found


def _jpeg_url(picture: np.ndarray) -> str:
    """A picture of filmed frames, uint8 (H, W, 3), as a JPEG file that stands in a page itself: a tenth of a PNG."""
    file = io.BytesIO()
    imageio.imwrite(file, picture, extension=".jpg", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
