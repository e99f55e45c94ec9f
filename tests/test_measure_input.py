"""What goes in: files as cameras write them, and what is refused in a sentence."""

import struct
import weakref

import av
import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from PIL import Image

from pig_core.system import ConfigError, DataError
from pig_lab.measure import video
from pig_lab.measure.options import Options
from pig_lab.measure.video import read_clip

from . import clips


def test_times_of_the_file_are_honoured_and_may_be_replaced(tmp_path):
    frames = clips.frames_of(np.array([[[20.0 + 5 * i, 60.0]] for i in range(6)]))
    imageio.imwrite(tmp_path / "uneven.gif", frames, duration=[100, 100, 300, 100, 100, 100], loop=0)
    assert read_clip(tmp_path / "uneven.gif").times.tolist() == pytest.approx([0, 0.1, 0.2, 0.5, 0.6, 0.7])
    assert read_clip(tmp_path / "uneven.gif", fps=20).times.tolist() == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.25])
    assert read_clip(tmp_path / "uneven.gif", start=0.15, end=0.55).numbers.tolist() == [2, 3]


def test_folders_crops_and_long_clips(tmp_path):
    frames = clips.frames_of(np.array([[[20.0 + 5 * i, 60.0]] for i in range(8)]))
    folder = tmp_path / "some 'pictures'"
    folder.mkdir()
    for i, frame in enumerate(frames):
        imageio.imwrite(folder / f"{i:03d}.png", frame)
    clip = read_clip(folder, fps=10, crop=(10, 20, 100, 80))
    assert clip.frames.shape == (8, 80, 100, 3)
    np.testing.assert_array_equal(clip.frames[3], frames[3, 20:100, 10:110])
    assert clip.to_file(np.zeros(2)).tolist() == [10, 20]
    with pytest.raises(DataError, match="images without a clock: set fps"):
        read_clip(folder)
    short = read_clip(folder, fps=10, max_frames=4)
    assert len(short.frames) <= 4
    assert "the clip is long" in short.notes[-1].text
    with pytest.raises(DataError, match="crop is left,top,width,height inside the clip's 160x120 pixels"):
        read_clip(folder, fps=10, crop=(100, 0, 100, 100))


TURNED = {  # a, b, c, d of the display matrix, and what it does to frames (T, H, W, 3)
    "90 degrees clockwise": ((0, 1, -1, 0), lambda x: np.rot90(x, -1, (1, 2))),
    "180 degrees": ((-1, 0, 0, -1), lambda x: x[:, ::-1, ::-1]),
    "270 degrees clockwise": ((0, -1, 1, 0), lambda x: np.rot90(x, 1, (1, 2))),
    "left and right swapped": ((-1, 0, 0, 1), lambda x: x[:, :, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda x: x[:, ::-1]),
    "rows as columns": ((0, 1, 1, 0), lambda x: x.swapaxes(1, 2)),
}


@pytest.mark.parametrize("way", TURNED)
def test_flags_that_turn_or_mirror_are_obeyed(way, tmp_path):
    """As a telephone writes it: the matrix of the track's header, put there byte by byte (PyAV cannot write it)."""
    frames = clips.frames_of(np.array([[[20.0 + 5 * i, 30.0]] for i in range(6)]))
    content = clips.write(tmp_path / "plain.mp4", frames).read_bytes()
    matrix = content.index(b"tkhd") + 44
    numbers, shows = TURNED[way]
    a, b, c, d = (part << 16 for part in numbers)
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    assert content[matrix : matrix + 36] == struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(content[:matrix] + turned + content[matrix + 36 :])
    plain, shown = (read_clip(tmp_path / f"{name}.mp4") for name in ("plain", "turned"))
    np.testing.assert_array_equal(shown.frames, shows(plain.frames))
    assert shown.size == shown.frames.shape[2:0:-1]


def test_animated_images_and_deep_ones_are_read(tmp_path):
    """A ramp of 12 bits in 16 keeps its shades; pauses of 66 ms are 15 frames a second."""
    discs = clips.frames_of(np.array([[[20.0 + 5 * i, 60.0]] for i in range(6)]), noise=0)
    tifffile.imwrite(tmp_path / "deep.tif", discs.astype(np.uint16) * 16, photometric="rgb")
    assert np.abs(read_clip(tmp_path / "deep.tif", fps=10).frames.astype(int) - discs).max() <= 1
    images = [Image.fromarray(frame) for frame in discs]
    for name in ("moving.png", "moving.webp"):
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=66, lossless=True)
        clip = read_clip(tmp_path / name)
        np.testing.assert_array_equal(clip.frames, discs)
        assert clip.times[-1] == pytest.approx(5 / 15)
        assert any(note.name == "clock" and note.doubt for note in clip.notes)


def test_a_tag_of_the_camera_says_how_fast_it_filmed(tmp_path):
    frames = clips.frames_of(np.array([[[20.0 + 5 * i, 60.0]] for i in range(6)]))
    clips.write(tmp_path / "slow.mp4", frames, tags={"com.android.capture.fps": "100.0"})
    assert read_clip(tmp_path / "slow.mp4").times.tolist() == pytest.approx(np.arange(6) / 100)


def test_pixels_that_are_not_square_are_stretched_and_said(tmp_path):
    """A disc that was stored at half of its width is round again, and where it was."""
    frames = clips.frames_of(np.array([[[20.0 + 10 * i, 60.0]] for i in range(6)]))
    half = np.rint((frames[:, :, ::2].astype(float) + frames[:, :, 1::2]) / 2).astype(np.uint8)
    path = clips.write(tmp_path / "narrow.mp4", half, aspect=2)
    clip = read_clip(path)
    assert clip.size == (160, 120)
    assert "pixels are not square (2" in clip.notes[-1].text
    assert np.abs(clip.frames.astype(int) - frames).mean() < 8
    assert clip.to_file(np.array([100.0, 50.0])).tolist() == [100, 50]


@pytest.mark.parametrize("kind", ["png", "mov", "gif"])
def test_what_is_transparent_is_white_and_said(kind, tmp_path):
    discs = clips.frames_of(np.array([[[20.0 + 5 * i, 60.0]] for i in range(6)]), noise=0)
    cover = np.zeros((*discs.shape[:3], 1), np.uint8)
    cover[:, 40:80, 5:60] = 255
    frames = np.concatenate([discs, cover], -1)
    if kind == "png":
        for i, frame in enumerate(frames):
            imageio.imwrite(tmp_path / f"{i}.png", frame)
        path = tmp_path
    elif kind == "gif":
        pictures = [Image.fromarray(frame, "RGBA") for frame in frames]
        path = tmp_path / "clear.gif"
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, loop=0, disposal=2)
    else:
        path = tmp_path / "clear.mov"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("png", rate=10)
            (stream.height, stream.width), stream.pix_fmt = frames.shape[1:3], "rgba"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgba")))
            container.mux(stream.encode())
    clip = read_clip(path, fps=10)
    assert "parts of the clip are transparent" in clip.notes[-1].text
    assert (clip.frames[:, :30] == 255).all()
    assert np.abs(clip.frames[:, 45:75, 10:55].astype(int) - discs[:, 45:75, 10:55]).mean() < 8


def test_a_long_clip_is_read_in_pieces(tmp_path, monkeypatch):
    """Of 120 frames never more than a few are decoded at a time, and never more than ``max_frames`` are kept."""
    alive, most = weakref.WeakSet(), []

    class Counted(video._Picture):
        def __init__(self, *frame):
            super().__init__(*frame)
            alive.add(self)
            most.append(len(alive))

    path = clips.write(tmp_path / "long.mp4", clips.frames_of(clips.pendulum(np.arange(120) / 25)))
    monkeypatch.setattr(video, "_Picture", Counted)
    clip = read_clip(path, long_side=80, max_frames=40)
    assert len(most) == 120
    assert max(most) <= 3
    assert clip.frames.shape[1:] == (60, 80, 3)
    assert len(clip.frames) <= 40
    assert clip.frames.base is None or clip.frames.base.nbytes <= clip.frames.nbytes


def _silence(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        for i in range(8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 8000, 1024 * i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.mp4", None, "there is no file"),
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"no video at all " * 100, "is not a video that can be read"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n", "is not a video that can be read"),
        ("concat.mp4", b"ffconcat version 1.0\nfile other.mp4\n", "is not a video that can be read"),
        ("sound.mp4", _silence, "has no images, only audio"),
        ("two.mp4", 2, "2 frames are too few"),
        ("still.mp4", np.full((12, 1, 2), 30.0), "in this clip; set crop, start and end"),
        ("wandering.mp4", "random", "no law explains what moves here"),
        ("pictures", "folder", "0.png is not an image"),
    ],
)
def test_what_cannot_be_measured_ends_in_one_sentence_and_touches_nothing(name, content, says, tmp_path, capsys):
    video, out = tmp_path / name, tmp_path / "out"
    out.mkdir()
    (out / "measurement.json").write_text("earlier")
    if isinstance(content, bytes):
        video.write_bytes(content)
    elif callable(content):
        content(video)
    elif isinstance(content, str) and content == "folder":
        video.mkdir()
        (video / "0.png").write_bytes(b"no picture")
    elif content is not None:
        rng = np.random.default_rng(0)
        if isinstance(content, int):
            content = np.array([[[20.0, 30.0]], [[40.0, 30.0]]])[:content]
        elif isinstance(content, str):
            content = rng.uniform(12, 52, (14, 1, 2))
        clips.write(video, clips.frames_of(content, size=(80, 64)), aspect=2)
    from pig_core.__main__ import main as program

    assert program(["measure", str(video), "--save_dir", str(out), "--fps", "25"]) == 2
    error = capsys.readouterr().err
    assert says in error
    if "law" in says:
        assert "pixels are not square" in error  # what was noticed before may be the reason
    assert error.count("\n") == 1
    assert {file.name for file in out.iterdir()} - {"refused.png"} == {"measurement.json"}
    assert ("law" in says or "in this clip" in says) == (out / "refused.png").is_file()
    assert (out / "measurement.json").read_text() == "earlier"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"law": "pendulm"}, "there is no law 'pendulm'; allowed: auto, .*did you mean 'pendulum'"),
        ({"law": "pendulum", "known": "omega2=3"}, "known must be a constant of pendulum that a length enters"),
        ({"known": "g"}, "known is written name=value"),
        ({"known": "q=3"}, "known must be a constant of a law that a length enters: .*, got 'q'"),
        ({"px_per_m": "250+-x"}, "with its error it is written 250"),
        ({"leave_out": "a-3"}, "leave_out is written 12-20,33"),
        ({"at": "1,2,3;4,5,6", "objects": 3}, "at points to 2 places"),
        ({"known": "g=9.81", "px_per_m": 300}, "both say what the scale is"),
        ({"objects": 0}, "objects must be a whole number of at least 1"),
        ({"law": "pendulum", "objects": 2}, "is about 1 objects, got objects=2"),
        ({"start": 2.0, "end": 1.0}, "end must be after start"),
        ({"px_per_m": 0.0}, "px_per_m must be a number above 0"),
        ({"crop": "1,2,x"}, "crop is written left,top,width,height"),
        ({"fps": "fast"}, "fps must be a number"),
        ({"at": "1,2"}, "at is written seconds,x,y"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(options, says):
    with pytest.raises(ConfigError, match=says):
        Options("clip.mp4", **options)
