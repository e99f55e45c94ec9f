"""Clips drawn for the tests, without any of the package's own drawing: discs over a background, with noise."""

import av
import numpy as np

SIZE = (160, 120)  # width, height, pixels


def frames_of(paths, colors=((0.9, 0.25, 0.1), (0.1, 0.3, 0.9)), radius=6.0, noise=2.0, size=SIZE, seed=0):
    """Frames (T, H, W, 3) uint8 of discs at paths (T, K, 2), over a shaded, textured background."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    ground = 0.55 + 0.15 * np.sin(x / 17) * np.cos(y / 13) + rng.normal(0, 0.02, x.shape)
    frames = []
    for places in paths:
        picture = np.repeat(ground[..., None], 3, 2) * [1.0, 0.95, 0.9]
        for (px, py), color in zip(places, colors, strict=False):
            cover = np.clip(radius + 0.5 - np.hypot(x - px, y - py), 0, 1)[..., None]
            picture = cover * np.array(color) + (1 - cover) * picture
        frames.append(picture * 255 + rng.normal(0, noise, picture.shape))
    return np.clip(frames, 0, 255).astype(np.uint8)


def write(path, frames, fps=25, options=None, aspect=1, tags=None):
    """An H.264 file; ``aspect`` is the width by the height of a pixel, ``tags`` are metadata of the file."""
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"} if tags else {}) as container:
        container.metadata.update(tags or {})
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        # The conversion puts colours in the middle of four pixels: untold, a reader takes them for the left ones'.
        # With mbtree the same frames give other bits each time.
        stream.pix_fmt, stream.options = (
            "yuv420p",
            {"x264-params": "chromaloc=1:mbtree=0", **(options or {"crf": "18"})},
        )
        stream.codec_context.sample_aspect_ratio = aspect
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        container.mux(stream.encode())
    return path


def pendulum(times, omega2=20.0, length=70.0, damping=0.1, angle=0.7, pivot=(80.0, 20.0)):
    """Positions (T, 1, 2) of a damped pendulum, by many small leapfrog steps."""
    theta, rate, now, places = angle, 0.0, 0.0, []
    for time in times:
        count = max(1, round((time - now) / 2e-4))
        h = (time - now) / count
        for _ in range(count):
            rate += h / 2 * (-omega2 * np.sin(theta) - damping * rate)
            theta += h * rate
            rate += h / 2 * (-omega2 * np.sin(theta) - damping * rate)
        now = time
        places.append([[pivot[0] + length * np.sin(theta), pivot[1] + length * np.cos(theta)]])
    return np.array(places)
