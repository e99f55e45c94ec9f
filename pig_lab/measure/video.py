"""Reading a clip: any file that FFmpeg knows, or a folder of pictures, made small while it is read.

A file is decoded, never executed: formats that name other files (playlists) are not opened. Positions are reported in
pixels of the clip as it is shown, after its rotation flag and with pixels made square; the centre of the first pixel is
0, 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import imageio.v3 as imageio
import numpy as np
from skimage.transform import resize

from pig_core.system import DataError, Progress

LONG_SIDE = 320  # pixels that a clip is searched in; more gained nothing on clips of 640 pixels
MAX_FRAMES = 600  # kept of a clip; of a longer one every 2nd, 4th, ... frame
# What FFmpeg may take a file for: containers that hold their frames themselves.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpeg,mpegts,asf,flv,ogg,png_pipe,jpeg_pipe,webp_pipe"
VIDEOS = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".gif", ".m4v"}
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


@dataclass
class Clip:
    """A clip as it is worked on.

    Attributes:
        frames: (T, h, w, 3) uint8.
        times: (T,) seconds from the clip's first frame.
        numbers: (T,) of the frames in the file, from 0.
        scale: pixels of the file per pixel of ``frames``, (2,): across, down.
        corner: of ``frames`` in the file's picture, pixels of the file.
        size: width and height of the file's picture.
    """

    frames: np.ndarray
    times: np.ndarray
    numbers: np.ndarray
    scale: np.ndarray
    corner: np.ndarray
    size: tuple[int, int]
    warnings: list[str] = field(default_factory=list)

    def to_file(self, xy: np.ndarray) -> np.ndarray:
        """Positions (..., 2) in ``frames`` to pixels of the file's picture."""
        return (xy + 0.5) * self.scale - 0.5 + self.corner

    def from_file(self, xy: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`to_file`."""
        return (xy - self.corner + 0.5) / self.scale - 0.5


def read_clip(
    path: Path,
    start: float | None = None,
    end: float | None = None,
    crop: tuple[int, int, int, int] | None = None,
    fps: float | None = None,
    long_side: int = LONG_SIDE,
    max_frames: int = MAX_FRAMES,
) -> Clip:
    """Read the part of a clip that is asked for.

    Args:
        start, end: seconds; None: from the first, to the last frame.
        crop: left, top, width and height, pixels of the file.
        fps: frames a second, in the place of the file's time stamps.
        long_side: of the working size, pixels.
    Raises:
        DataError: that says what is wrong with the file.
    """
    if Path(path).is_dir() and not fps:
        raise DataError(f"a folder of pictures has no clock: set fps for {path}")
    frames, times, numbers, warnings, stride = [], [], [], [], 1
    size, clear = None, False
    with Progress("read", frame_count(path), 100) as progress:
        for number, (time, picture) in enumerate(_pictures(Path(path), warnings)):
            progress.advance()
            if size is None:
                size = picture.size
                crop = _checked_crop(crop, size)
                shrink = max(1.0, max(crop[2:]) / long_side)
                small = [max(1, round(side / shrink)) for side in size]
                scale = np.array(size) / small
                window = np.rint(np.array(crop).reshape(2, 2) / scale).astype(int)  # corner, size
            time = number / fps if fps else time
            if (start is not None and time < start - 1e-6) or number % stride:
                continue
            if end is not None and time > end + 1e-6:
                break
            if frames and not time > times[-1]:
                raise DataError(f"{path}: its time stamps do not increase at frame {number}; set fps")
            frames.append(picture.small(small, window))
            clear |= picture.clear
            times.append(time)
            numbers.append(number)
            if len(frames) > max_frames:
                frames, times, numbers, stride = frames[::2], times[::2], numbers[::2], 2 * stride
    if not frames:
        raise DataError(f"{path} has no frame" + (" between start and end" if numbers or size else ""))
    if clear:
        warnings.append("parts of the clip are transparent: white was put behind them")
    if stride > 1:
        warnings.append(f"the clip is long: every {stride}. frame was used; set start and end to use all of a part")
    shape = frames[0].shape[:2]
    if any(frame.shape[:2] != shape for frame in frames):
        raise DataError(f"{path}: its frames differ in size")
    return Clip(np.stack(frames), np.array(times), np.array(numbers), scale, window[0] * scale, size, warnings)


def frame_count(path: Path) -> int:
    """The number of frames that a file says it has; 0: it does not say."""
    if Path(path).is_dir():
        return len(_picture_files(Path(path)))
    with _open(Path(path)) as (_, stream):
        return stream.frames


class _Picture:
    """A decoded frame, not yet made small; ``aspect`` is a stored pixel's width by its height."""

    def __init__(self, frame: av.VideoFrame | np.ndarray, aspect: float = 1.0):
        self.frame = frame
        self.turns = 0  # quarter turns, counter-clockwise
        self.clear = False  # whether parts are transparent; known once it was made small
        if isinstance(frame, np.ndarray):
            self.height, self.width = frame.shape[:2]
            return
        self.turns = round(frame.rotation / 90) % 4
        self.width, self.height = max(1, round(frame.width * aspect)), frame.height

    @property
    def size(self) -> tuple[int, int]:
        return (self.height, self.width) if self.turns % 2 else (self.width, self.height)

    def small(self, size: list[int], window: np.ndarray) -> np.ndarray:
        """The part ``window`` (corner, size) of the picture made ``size`` large, (h, w, 3) uint8."""
        width, height = size[::-1] if self.turns % 2 else size
        if isinstance(self.frame, np.ndarray):
            picture = self.frame
            if (width, height) != (self.width, self.height):
                picture = (resize(picture, (height, width), anti_aliasing=True) * 255).round().astype(np.uint8)
        else:
            frame, layers = self.frame, "rgb24"
            if any(part.is_alpha for part in frame.format.components):
                layers = "rgba"
            elif not frame.format.is_rgb:  # straight to rgb24 half a pixel of the colours' place may be lost
                frame = frame.reformat(width, height, "yuv444p", interpolation="AREA")
            picture = frame.reformat(width, height, layers, interpolation="AREA").to_ndarray()
        if picture.shape[2] == 4:
            self.clear = bool((picture[..., 3] < 255).any())
            cover = picture[..., 3:] / 255
            picture = (cover * picture[..., :3] + (1 - cover) * 255).round().astype(np.uint8)
        (left, top), (wide, high) = window
        return np.rot90(picture, self.turns)[top : top + high, left : left + wide]


def _pictures(path: Path, warnings: list[str]) -> Iterator[tuple[float, _Picture]]:
    """Time in seconds and picture of all frames."""
    if path.is_dir():
        files = _picture_files(path)
        for number, file in enumerate(files):
            try:
                picture = imageio.imread(file, plugin="pillow", mode="RGBA")
            except (OSError, ValueError, SyntaxError) as error:
                raise DataError(f"{file} is not a picture ({error})") from error
            yield float(number), _Picture(picture)
        return
    with _open(path) as (container, stream):
        stream.thread_type = "NONE"
        first, number, step = None, 0, 1 / float(stream.average_rate or stream.guessed_rate or 25)
        aspect = float(stream.sample_aspect_ratio or 1)
        if aspect != 1:
            warnings.append(
                f"the file's pixels are not square ({stream.sample_aspect_ratio}): the picture was stretched"
            )
        try:
            for frame in container.decode(stream):
                time = frame.time if frame.time is not None else number * step
                first = time if first is None else first
                number += 1
                yield time - first, _Picture(frame, aspect)
        except (av.error.FFmpegError, EOFError) as error:
            if not number:
                raise DataError(f"{path} cannot be decoded ({error.strerror})") from error
            warnings.append(f"the file is damaged after frame {number - 1}: what comes before was used")
        lasts = float(container.duration or 0) / av.time_base
        whole = not any("damaged" in line for line in warnings)
        if number > 1 and whole and number * (time - first) / (number - 1) < 0.8 * lasts:
            warnings.append(f"the file says that it lasts {lasts:.1f} s, but ends after {time - first:.1f} s")
        elif stream.frames and number and number < stream.frames - 1 and whole:
            warnings.append(f"the file says {stream.frames} frames, but {number} could be read")


def _picture_files(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES)
    if not files:
        raise DataError(f"the folder {folder} has no pictures ({', '.join(sorted(PICTURES))})")
    return files


class _open:
    """A file's container and its first video stream, as a context."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self):
        path = self.path
        if not path.exists():
            raise DataError(f"there is no file {path}")
        if not path.stat().st_size:
            raise DataError(f"{path} is empty")
        self.file = path.open("rb")
        try:
            options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
            self.container = av.open(self.file, container_options=options)
        except (av.error.FFmpegError, ValueError) as error:
            self.file.close()
            raise DataError(f"{path} is not a video that can be read ({getattr(error, 'strerror', error)})") from error
        kinds = sorted({stream.type for stream in self.container.streams})  # read before the container is closed
        streams = self.container.streams.video
        if not streams:
            self.__exit__()
            raise DataError(f"{path} has no pictures, only {' and '.join(kinds) or 'nothing'}")
        return self.container, streams[0]

    def __exit__(self, *_: object) -> None:
        self.container.close()
        self.file.close()


def _checked_crop(crop: tuple[int, int, int, int] | None, size: tuple[int, int]) -> tuple[int, int, int, int]:
    if crop is None:
        return 0, 0, *size
    left, top, width, height = crop
    if min(left, top) < 0 or min(width, height) < 16 or left + width > size[0] or top + height > size[1]:
        raise DataError(
            f"crop is left,top,width,height inside the clip's {size[0]}x{size[1]} pixels and at least 16 wide and "
            f"high, got {','.join(map(str, crop))}"
        )
    return crop
