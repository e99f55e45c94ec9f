"""Data files: layout of the authors' files, determinism, and one clear sentence for every kind of bad file."""

import io
import zipfile

import numpy as np
import pytest
import torch

from pig_core.config import make_config, task_of
from pig_core.data import data_path, ensure_file
from pig_core.draw import draw_discs
from pig_core.model import to_video
from pig_core.system import DataError, PigError

from .conftest import load


def authors_file(folder, length=12, **arrays):
    """A file as the authors' generator leaves it: three splits of video and nothing else."""
    path = folder / "spring_color" / f"color_spring_vx8_vy8_sl{length}_r2_k4_e6.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    video = np.zeros((6, length, 32, 32, 3), np.uint8)
    video[:, :, 5] = 200
    np.savez_compressed(path, **{"train_x": video, "valid_x": video[:2], "test_x": video[:3], **arrays})
    return path


def test_simulated_files_have_the_authors_layout_and_are_reproducible(tiny, tmp_path):
    config = tiny(data_dir=str(tmp_path))
    path = ensure_file(config, task_of(config), 12)
    assert path.relative_to(tmp_path).as_posix() == "spring_color/color_spring_vx8_vy8_sl12_r2_k4_e6.npz"
    with np.load(path, allow_pickle=False) as file:
        first = dict(file)
    assert {n: (a.shape, a.dtype) for n, a in first.items() if n.endswith("_x")} == {
        "train_x": ((60, 12, 32, 32, 3), np.uint8),
        "valid_x": ((12, 12, 32, 32, 3), np.uint8),
        "test_x": ((12, 12, 32, 32, 3), np.uint8),
    }
    assert not np.array_equal(first["valid_x"], first["test_x"])
    path.unlink()
    with np.load(ensure_file(config, task_of(config), 12), allow_pickle=False) as file:
        for name, array in first.items():
            np.testing.assert_array_equal(file[name], array)


def test_positions_say_where_the_discs_are(tiny):
    config = tiny()
    frames, positions, _ = load(config, "test", 12)
    redrawn = draw_discs(positions.numpy().reshape(-1, 2, 2).astype(np.float64), 32).reshape(frames.shape)
    assert np.abs(redrawn.astype(int) - frames.numpy()).max() <= 40  # a float32 may fall into the next tenth
    assert (redrawn == frames.numpy()).mean() > 0.999


def path_of(config):
    return data_path(config, task_of(config), 12)


def test_a_data_seed_gives_other_videos_under_another_name(tiny):
    usual, other = tiny(), tiny(data_seed=3)
    assert path_of(other).name == path_of(usual).name.replace(".npz", "_seed3.npz")
    a, b = load(usual, "train", 12).positions, load(other, "train", 12).positions
    assert a.shape == b.shape
    assert (a - b).abs().amax((1, 2, 3)).min() > 0.1  # no video in common


def test_the_authors_own_files_work_unchanged(tmp_path):
    authors_file(tmp_path)
    config = make_config(data_dir=str(tmp_path), datapoints=4)
    frames = load(config, "train", 12).frames
    assert frames.shape == (4, 12, 32, 32, 3)
    assert load(config, "valid", 12).frames.shape[0] == 2
    assert load(config, "test", 12).positions is None


def test_video_keeps_rows_columns_and_channels_apart():
    frames = torch.arange(2 * 3 * 4 * 4 * 3).remainder(256).to(torch.uint8).view(2, 3, 4, 4, 3)
    video = to_video(frames)
    assert video.shape == (2, 3, 3, 4, 4)
    assert video[1, 2, 0, 3, 1] == frames[1, 2, 3, 1, 0] / 255
    grey = to_video(frames, color=False)
    torch.testing.assert_close(grey[1, 2, 0, 3, 1], frames[1, 2, 3, 1].float().mean() / 255)


def bad(kind, path):
    video = np.zeros((6, 12, 32, 32, 3), np.uint8)
    whole = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "not a zip":
        path.write_text("hello")
    elif kind == "flipped bytes":
        path.write_bytes(whole[:200] + bytes(255 - b for b in whole[200:260]) + whole[260:])
    elif kind == "no train_x":
        np.savez_compressed(path, valid_x=video)
    elif kind == "float":
        np.savez_compressed(path, train_x=video.astype(np.float32))
    elif kind == "wrong size":
        np.savez_compressed(path, train_x=np.zeros((6, 12, 36, 36, 3), np.uint8))
    elif kind == "too short":
        np.savez_compressed(path, train_x=video[:, :7])
    elif kind == "no sequences":
        np.savez_compressed(path, train_x=video[:0])
    elif kind == "pickle":
        payload = io.BytesIO()
        np.save(payload, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("train_x.npy", payload.getvalue())


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("truncated", "damaged"),
        ("empty", "damaged"),
        ("not a zip", "damaged"),
        ("flipped bytes", "damaged"),
        ("pickle", "damaged"),
        ("no train_x", "no array 'train_x'"),
        ("float", "float32"),
        ("wrong size", r"expected uint8 \(any, any, 32, 32, 3\)"),
        ("too short", "7 frames per sequence, spring_color needs 10"),
        ("no sequences", r"\(0, 12, 32, 32, 3\)"),
    ],
)
def test_bad_files_are_refused_with_one_sentence(kind, says, tmp_path):
    path = authors_file(tmp_path)
    bad(kind, path)
    with pytest.raises(DataError, match=says) as caught:
        load(make_config(data_dir=str(tmp_path)), "train", 12)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_named_folder_without_the_file_is_not_filled_silently(tmp_path):
    with pytest.raises(DataError, match="does not exist: put it there, set simulate=True"):
        load(make_config(data_dir=str(tmp_path)), "train", 12)
    assert not any(tmp_path.iterdir())


def test_a_failed_simulation_leaves_nothing_behind(tmp_path):
    config = make_config(data_dir=str(tmp_path), simulate=True, truth="l=20", n_train=5, n_eval=5)
    with pytest.raises(PigError):
        load(config, "train", 12)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
