"""Reading a clip: any file that FFmpeg knows, an animated image, or a folder of images, made small while it is read.

A file is decoded, never executed: formats that name other files (playlists) are not opened. Positions are reported in
pixels of the clip as it is shown: turned and mirrored as its flags say, with pixels made square; the centre of the
first pixel is 0, 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import tifffile
from PIL import Image, ImageSequence
from skimage.transform import resize

from pig_core.system import DataError, Progress

LONG_SIDE = 320  # pixels that a clip is searched in; more gained nothing on clips of 640 pixels
MAX_FRAMES = 600  # used of a clip; of a longer one every 2nd, 4th, ... frame
# What FFmpeg may take a file for: containers that hold their frames themselves.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpeg,mpegts,asf,flv,ogg,png_pipe,jpeg_pipe,webp_pipe"
VIDEOS = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".gif", ".m4v"}
IMAGES = {".png", ".apng", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
RATES = (12, 15, 24, 24 / 1.001, 30, 30 / 1.001, 60, 60 / 1.001)  # of cameras, that no whole milliseconds give
STILL_RATE = 25.0  # frames a second of images that have no clock, until fps says better
CAPTURE_RATE = "com.android.capture.fps"  # how often Android filmed, whatever the file's time stamps are
CAMERA_TAGS = (
    "com.android.version",
    "com.apple.quicktime.model",
    "com.apple.quicktime.full-frame-rate-playback-intent",
)


@dataclass(frozen=True)
class Note:
    """Something that a clip cannot tell, or tells against the measurement.

    Attributes:
        name: its kind: clock, shadow, perspective, law, track, occlusion, camera, scale or file.
        text: one sentence without its full stop.
        doubt: whether the constants are doubtful because of it.
    """

    name: str
    text: str
    doubt: bool = False


@dataclass
class Clip:
    """A clip as it is worked on.

    Attributes:
        frames: (T, h, w, 3) uint8.
        times: (T,) seconds from the clip's first frame.
        numbers: (T,) of the frames in the file, from 0.
        scale: pixels of the file per pixel of ``frames``, (2,): across, down.
        corner: of ``frames`` in the file's image, pixels of the file.
        size: width and height of the file's image.
        notes: what is odd about the file.
        stretch: frames that were read by those that are left, where repeated ones were left out.
        retimed: whether its times were compared with the steps of what moves.
    """

    frames: np.ndarray
    times: np.ndarray
    numbers: np.ndarray
    scale: np.ndarray
    corner: np.ndarray
    size: tuple[int, int]
    notes: list[Note] = field(default_factory=list)
    stretch: float = 1.0
    retimed: bool = False

    def to_file(self, xy: np.ndarray) -> np.ndarray:
        """Positions (..., 2) in ``frames`` to pixels of the file's image."""
        return (xy + 0.5) * self.scale - 0.5 + self.corner

    def from_file(self, xy: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`to_file`."""
        return (xy - self.corner + 0.5) / self.scale - 0.5

    def only(self, frames: np.ndarray) -> None:
        """Leave out all frames but these, a mask (T,)."""
        self.frames, self.times, self.numbers = self.frames[frames], self.times[frames], self.numbers[frames]


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
    if not fps and (Path(path).is_dir() or Path(path).suffix.lower() in (".tif", ".tiff")):
        raise DataError(f"images without a clock: set fps for {path}")
    frames, times, numbers, notes, stride = [], [], [], [], 1
    size, clear = None, False
    with Progress("read", frame_count(path), 100) as progress:
        for number, (time, picture) in enumerate(_pictures(Path(path), notes)):
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
    suffix = Path(path).suffix.lower()
    if not fps and suffix in IMAGES | {".gif"}:
        times = _unrounded(times, 0.01 if suffix == ".gif" else 0.001, notes)
    if not frames:
        raise DataError(f"{path} has no frame" + (" between start and end" if numbers or size else ""))
    if clear:
        notes.append(Note("file", "parts of the clip are transparent: they were made white"))
    if stride > 1:
        text = f"the clip is long: every {stride}. frame was used; set start and end to use all of a part"
        notes.append(Note("file", text))
    shape = frames[0].shape[:2]
    if any(frame.shape[:2] != shape for frame in frames):
        raise DataError(f"{path}: its frames differ in size")
    return Clip(np.stack(frames), np.array(times), np.array(numbers), scale, window[0] * scale, size, notes)


def _unrounded(times: list[float], step: float, notes: list[Note]) -> list[float]:
    """Times of a usual rate in the place of even ones that were rounded to a step of seconds, with a note."""
    pauses = np.diff(times) if len(times) > 1 else np.ones(1)
    pause = float(np.median(pauses))
    whole = abs(pause / step - round(pause / step)) < 1e-6 and abs(1 / pause - round(1 / pause)) > 1e-6
    if np.ptp(pauses) > 1e-6 or not whole:
        return times
    rate = min(RATES, key=lambda rate: abs(1 / rate - pause))
    if abs(1 / rate - pause) >= step:
        return times
    text = (
        f"all frames last {1000 * pause:.0f} ms, probably {rate:g} a second rounded to {1000 * step:g} ms: that rate "
        "was taken; set fps if it was another"
    )
    notes.append(Note("clock", text, True))
    return [time / pause / rate for time in times]


def frame_count(path: Path) -> int:
    """The number of frames that a file says it has; 0: it does not say."""
    if Path(path).is_dir():
        return len(_image_files(Path(path)))
    if Path(path).suffix.lower() in IMAGES:
        return 0
    with _open(Path(path)) as (_, stream):
        return stream.frames


class _Picture:
    """A decoded frame, not yet made small; ``aspect`` is a stored pixel's width by its height."""

    def __init__(self, frame: av.VideoFrame | np.ndarray, aspect: float = 1.0):
        self.frame = frame
        self.matrix = np.eye(2)  # from stored to shown directions, each of one axis: turns and mirrors
        self.clear = False  # whether parts are transparent; known once it was made small
        if isinstance(frame, np.ndarray):
            self.height, self.width = frame.shape[:2]
            return
        self.width, self.height = max(1, round(frame.width * aspect)), frame.height
        if (flags := frame.side_data.get("DISPLAYMATRIX")) is not None:
            self.matrix = np.sign(np.frombuffer(bytes(flags), "<i4").reshape(3, 3)[:2, :2].T.round(-4))

    @property
    def crossed(self) -> bool:
        """Whether rows are shown as columns."""
        return not self.matrix[0, 0]

    @property
    def size(self) -> tuple[int, int]:
        return (self.height, self.width) if self.crossed else (self.width, self.height)

    def small(self, size: list[int], window: np.ndarray) -> np.ndarray:
        """The part ``window`` (corner, size) of the image made ``size`` large, (h, w, 3) uint8."""
        width, height = size[::-1] if self.crossed else size
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
        if self.crossed:
            picture = picture.swapaxes(0, 1)
        across, down = self.matrix.sum(1)
        picture = picture[:: int(down) or 1, :: int(across) or 1]
        (left, top), (wide, high) = window
        return picture[top : top + high, left : left + wide]


def _pictures(path: Path, notes: list[Note]) -> Iterator[tuple[float, _Picture]]:
    """Time in seconds and image of all frames."""
    files = _image_files(path) if path.is_dir() else [path] if path.suffix.lower() in IMAGES else []
    if files:
        yield from _of_images(files)
        return
    with _open(path) as (container, stream):
        stream.thread_type = "NONE"
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        times, number, first, last = _clock(container, rate, notes), 0, 0.0, 0.0
        aspect = float(stream.sample_aspect_ratio or 1)
        if aspect != 1:
            text = f"the file's pixels are not square ({stream.sample_aspect_ratio}): the image was stretched"
            notes.append(Note("file", text))
        try:
            for frame in container.decode(stream):
                number, last = number + 1, frame.time or 0.0
                first = last if number == 1 else first
                yield times(frame.time), _Picture(frame, aspect)
        except (av.error.FFmpegError, EOFError) as error:
            if not number:
                raise DataError(f"{path} cannot be decoded ({error.strerror})") from error
            notes.append(Note("file", f"the file is damaged after frame {number - 1}: the frames before were used"))
            return
        lasts = float(container.duration or 0) / av.time_base
        if number > 1 and number * (last - first) / (number - 1) < 0.8 * lasts:
            text = f"the file says that it lasts {lasts:.1f} s, but ends after {last - first:.1f} s"
            notes.append(Note("file", text))
        elif stream.frames and number and number < stream.frames - 1:
            notes.append(Note("file", f"the file says {stream.frames} frames, but {number} could be read"))


def _clock(container: av.container.InputContainer, rate: float, notes: list[Note]):
    """A function from a frame's time stamp to its time of filming, seconds from the first frame.

    A stamp that is missing or does not increase, as in AVI, is replaced by the rate of the file's header. A tag of the
    camera says whether the stamps are slower than the filming was.
    """
    tags = {name.lower(): value for name, value in container.metadata.items()}
    try:
        filmed = float(tags.get(CAPTURE_RATE, 0))
    except ValueError:
        filmed = 0.0
    slower = filmed / rate if filmed > 1.2 * rate else 1.0
    if slower > 1:
        text = f"a tag says {filmed:g} frames a second were filmed, stored as {rate:g}: times are those of filming"
        notes.append(Note("clock", text))
    elif not any(tag in tags for tag in CAMERA_TAGS):
        text = (
            "no tag of a camera says how fast this was filmed: if it may be slow motion, film something of known "
            "duration, and set fps to the frames that it takes a second"
        )
        notes.append(Note("clock", text))
    last, first, number = -np.inf, None, -1

    def time(stamp: float | None) -> float:
        nonlocal last, first, number
        number += 1
        if stamp is None or stamp <= last:
            stamp = number / rate if last < 0 or stamp is None else last + 1 / rate
        first = stamp if first is None else first
        last = stamp
        return (stamp - first) / slower

    return time


def _of_images(files: list[Path]) -> Iterator[tuple[float, _Picture]]:
    """Time and image of all frames of image files, each of one or more frames; a file without a clock counts frames."""
    time, deepest = 0.0, 0
    for file in files:
        try:
            if file.suffix.lower() in (".tif", ".tiff"):
                with tifffile.TiffFile(file) as opened:
                    for page in opened.pages:
                        picture = page.asarray()
                        deepest = max(deepest, int(picture.max()) if picture.dtype.itemsize > 1 else 0)
                        yield time, _Picture(_of_depth(picture, deepest))
                        time += 1.0
                continue
            with Image.open(file) as opened:
                for page in ImageSequence.Iterator(opened):
                    picture = np.array(page if page.mode.startswith("I") else page.convert("RGBA"))
                    deepest = max(deepest, int(picture.max()) if picture.dtype.itemsize > 1 else 0)
                    yield time, _Picture(_of_depth(picture, deepest))
                    lasts = page.info.get("duration")
                    time += 1.0 if len(files) > 1 else lasts / 1000 if lasts else 1 / STILL_RATE
        except (OSError, ValueError, SyntaxError, tifffile.TiffFileError) as error:
            raise DataError(f"{file} is not an image ({error})") from error


def _of_depth(picture: np.ndarray, deepest: int) -> np.ndarray:
    """An image of any depth as (H, W, 3 or 4) uint8; ``deepest`` is the largest value of a deep one so far."""
    if picture.dtype.itemsize > 1:  # cameras of 10 and 12 bits store them in 16
        bits = max(8, int(np.ceil(np.log2(max(deepest, 1) + 1))))
        bits = next((allowed for allowed in (8, 10, 12, 14) if bits <= allowed), 16)
        picture = (picture / 2.0 ** (bits - 8)).clip(0, 255).astype(np.uint8)
    if picture.ndim == 2:
        picture = picture[..., None].repeat(3, -1)
    return picture[..., :4] if picture.shape[-1] >= 3 else picture[..., :1].repeat(3, -1)


def _image_files(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGES)
    if not files:
        raise DataError(f"the folder {folder} has no images ({', '.join(sorted(IMAGES))})")
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
            why = getattr(error, "strerror", error)
            if b"ftyp" in path.open("rb").read(12) and not self._has_index():
                why = "it is cut off: its index, which stands at its end, is missing; copy or export it again"
            raise DataError(f"{path} is not a video that can be read ({why})") from error
        kinds = sorted({stream.type for stream in self.container.streams})  # read before the container is closed
        streams = self.container.streams.video
        if not streams:
            self.__exit__()
            raise DataError(f"{path} has no images, only {' and '.join(kinds) or 'nothing'}")
        return self.container, streams[0]

    def _has_index(self) -> bool:
        """Whether an MP4 file holds the box of its index."""
        with self.path.open("rb") as file:
            return any(b"moov" in part for part in iter(lambda: file.read(1 << 20), b""))

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
