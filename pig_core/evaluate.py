"""Judging a trained model on the long test file: losses, positions and parameters against the simulator's."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from skimage.metrics import structural_similarity
from torch import Tensor

from .model import PAIG, Output, frame_errors, to_video, video_losses
from .tasks import RECONS_THRESHOLD, Task

CHUNK = 20  # sequences evaluated at a time; bounds the memory
SSIM_SEQUENCES = 20  # the first sequences, which the slow structural similarity is taken over


@dataclass(frozen=True)
class Evaluation:
    """Everything that judging a model on one split yields."""

    metrics: dict[str, object]  # plain numbers and lists, ready for JSON
    video: Tensor  # (n, T, C, S, S) the first sequences of the split, in [0, 1], on the CPU
    output: Output  # the model's output for them, on the CPU
    rollout: np.ndarray  # (N, T-L, K, 2) predicted positions of all sequences, pixels
    positions: np.ndarray  # (N, L+P, K, 2) encoded positions of all sequences, pixels
    truth: np.ndarray | None  # (N, T, K, 2) simulated positions, objects in the model's order
    actions: Tensor | None = None  # (N, T, A) what acted from outside


@torch.no_grad()
def losses_on(model: PAIG, color: bool, frames: Tensor, actions: Tensor | None = None) -> dict[str, float]:
    """The paper's losses on video, uint8 (N, T, H, W, 3), and nothing else: quick enough for every epoch."""
    sums: dict[str, float] = {}
    for video, output in _outputs(model, color, frames, actions):
        _add_losses(sums, model, output, video)
    return {name: value / len(frames) for name, value in sums.items()}


def _outputs(model: PAIG, color: bool, frames: Tensor, actions: Tensor | None) -> Iterator[tuple[Tensor, Output]]:
    """Video (B, T, C, S, S) and what the model makes of it, some sequences at a time."""
    device = next(model.parameters()).device
    for start in range(0, len(frames), CHUNK):
        video = to_video(frames[start : start + CHUNK].to(device), color)
        yield video, model(video, None if actions is None else actions[start : start + CHUNK].to(device))


def _add_losses(sums: dict[str, float], model: PAIG, output: Output, video: Tensor) -> None:
    for name, loss in video_losses(output, video, model.input_steps, model.pred_steps).items():
        sums[name] = sums.get(name, 0.0) + loss.item() * len(video)


@torch.no_grad()
def evaluate_video(
    model: PAIG,
    color: bool,
    frames: Tensor,
    truth: Tensor | None,
    actions: Tensor | None = None,
    ssim_sequences: int = SSIM_SEQUENCES,
) -> Evaluation:
    """Evaluate on video, uint8 (N, T, H, W, 3), with the simulator's positions (N, T, K, 2), if they are known.

    Args:
        ssim_sequences: the first so many sequences are those that the similarity is taken over; 0: all.
    """
    sums: dict[str, float] = {}
    per_step, similar, rollouts, encoded, first = [], [], [], [], None
    for video, output in _outputs(model, color, frames, actions):
        _add_losses(sums, model, output, video)
        error = frame_errors(output.prediction, video[:, model.input_steps :])  # (B, T-L)
        per_step.append(error.cpu())
        few = (ssim_sequences or len(frames)) - sum(map(len, similar))
        similar.append(similarity(output.prediction[:few].cpu(), video[:few, model.input_steps :].cpu()))
        rollouts.append(output.rollout.cpu())
        encoded.append(output.positions.cpu())
        if first is None:
            first = (video.cpu(), Output(*(t.cpu() for t in vars(output).values())))
    positions, rollout = torch.cat(encoded).numpy(), torch.cat(rollouts).numpy()
    metrics: dict[str, object] = {name: value / len(frames) for name, value in sums.items()}
    metrics["pred_loss_per_step"] = torch.cat(per_step).mean(0).tolist()
    metrics["ssim_per_step"] = np.concatenate(similar).mean(0).tolist()
    if truth is not None and not positions.shape[2]:
        truth = truth.numpy()  # a baseline that knows no objects
    elif truth is not None:
        truth, errors = _compare(positions, rollout, truth.numpy(), model.input_steps)
        metrics.update(errors)
    return Evaluation(metrics, first[0], first[1], rollout, positions, truth, actions)


def matching(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Which of their objects each of ours is, (K,), so that positions (..., K, 2) are nearest over all frames."""
    cost = np.square(ours[..., :, None, :] - theirs[..., None, :, :]).sum(-1)  # (..., K, K)
    return linear_sum_assignment(cost.mean(tuple(range(cost.ndim - 2))))[1]


def _compare(positions: np.ndarray, rollout: np.ndarray, truth: np.ndarray, input_steps: int) -> tuple:
    """Match the model's objects to the simulator's (one matching for all), then measure the distances.

    Returns:
        the truth in the model's order of objects, and the errors in pixels. An object's constant offset is
        reported and then taken out: where on an object its position lies is for the model to choose.
    """
    seen = truth[:, : positions.shape[1]]
    positions = np.nan_to_num(positions)  # a diverged model still has to be judged
    order = matching(positions, seen)
    truth, seen = truth[:, :, order], seen[:, :, order]
    offset = (positions - seen).mean((0, 1))  # (K, 2)
    ahead = rollout - offset - truth[:, input_steps:]
    return truth, {
        "position_offset": offset.tolist(),
        "position_rms": _rms(positions - offset - seen),
        "rollout_rms_per_step": [_rms(ahead[:, t]) for t in range(ahead.shape[1])],
    }


def _rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(error))))


def similarity(prediction: Tensor, truth: Tensor) -> np.ndarray:
    """Structural similarity (n, T) of predicted and true frames, (n, T, C, S, S) each."""
    pairs = zip(prediction.flatten(0, 1).numpy(), truth.flatten(0, 1).numpy(), strict=True)
    found = [structural_similarity(a, b, channel_axis=0, data_range=1.0) for a, b in pairs]
    return np.array(found, float).reshape(prediction.shape[:2])


def judge(metrics: dict[str, object], learned: dict[str, float], task: Task) -> dict[str, object]:
    """What a run is remembered by: learned against true constants and the authors' two thresholds."""
    truth = dict(task.truth)
    return {
        "learned": learned,
        "truth": truth,
        "parameter_error": {
            name: learned[name] / value - 1 if value else math.nan for name, value in truth.items() if name in learned
        },
        "discovered": bool(metrics["recons_loss"] < RECONS_THRESHOLD),
        "predicted": bool(metrics["pred_loss"] < task.pred_threshold),
        **metrics,
    }


# Frames for people: the one way from tensors to pixels.


def panels(evaluation: Evaluation, index: int) -> dict[str, Tensor]:
    """Rows of frames of one sequence, (T, C, S, S) each; black where a row has nothing to show.

    Returns:
        "truth"; "prediction", whose L input frames are reconstructed; "reconstruction", of L+P frames.
    """
    truth, output = evaluation.video[index], evaluation.output
    recons = torch.zeros_like(truth)
    recons[: output.recons.shape[1]] = output.recons[index]
    prediction = torch.cat([recons[: input_steps(evaluation)], output.prediction[index]])
    return {"truth": truth, "prediction": prediction, "reconstruction": recons}


def input_steps(evaluation: Evaluation) -> int:
    """The number L of frames that the model was shown before it had to predict."""
    return evaluation.video.shape[1] - evaluation.output.prediction.shape[1]


@torch.no_grad()
def template_sheet(model: PAIG) -> Tensor:
    """Contents on top, masks below, one column per object and the background last, (C, 2 h, (K + 1) h)."""
    contents, logits, background = model.appearance()  # (K, C, h, h), (K, 1, h, h), (C, 2 h, 2 h)
    background = torch.nn.functional.avg_pool2d(background, 2)
    top = torch.cat([*contents, background], -1)
    below = torch.cat([*logits.sigmoid().expand_as(contents), torch.zeros_like(background)], -1)
    return torch.cat([top, below], -2)


def to_bytes(images: Tensor) -> np.ndarray:
    """Images (..., C, S, S) in [0, 1] to uint8 (..., S, S, C), the layout of the data files."""
    return (images.detach().cpu().clamp(0, 1) * 255).round().byte().movedim(-3, -1).numpy()


def to_picture(images: Tensor, magnify: int = 1) -> np.ndarray:
    """Images (..., C, S, S) in [0, 1] to uint8 (..., S', S', 3), each pixel repeated ``magnify`` times."""
    pixels = to_bytes(images)
    large = pixels.repeat(magnify, -3).repeat(magnify, -2)
    return np.broadcast_to(large, (*large.shape[:-1], 3))
