"""Judging a trained model on the long test file: losses, positions and parameters against the simulator's."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn.functional import pad

from .encoder import softmax_with_background
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


# The files the authors' users know (nn/network/physics_models.py): example images, an animation, templates and arrays.

EXAMPLES = 5
MAGNIFY = 4  # pixels per pixel in the images


def comparison(evaluation: Evaluation, index: int) -> Tensor:
    """Prediction (after the input frames), truth and reconstruction of one sequence, (3, T, C, S + 2, S + 2).

    Every frame has a grey border of one pixel.
    """
    rows, first = panels(evaluation, index), input_steps(evaluation)
    prediction = torch.cat([rows["truth"][:first], rows["prediction"][first:]])
    return pad(torch.stack([prediction, rows["truth"], rows["reconstruction"]]), (1, 1, 1, 1), value=0.5)


@torch.no_grad()
def artifacts(model: PAIG, evaluation: Evaluation) -> dict[str, Callable[[Path], None]]:
    """File name -> what writes it: outputs.npz, extra_outputs.npz, templates.jpg, example0..4.jpg, rollout.gif."""
    output, few = evaluation.output, min(EXAMPLES, len(evaluation.video))
    contents, templates, background = (tensor.cpu() for tensor in model.appearance())
    prediction = to_bytes(output.prediction)
    outputs = {
        "input": to_bytes(evaluation.video),
        "output": prediction,
        "prediction": prediction,
        "recons": to_bytes(output.recons),
        "positions": output.positions,
        "rollout": output.rollout,
        "rollout_vel": output.rollout_vel,
    }
    extra = {
        "contents": contents,
        "templates": templates,
        "background": background,
        "background_content": background.movedim(0, -1)[None],  # (1, S, S, C)
        "masks": output.masks.half(),
        "all_positions": evaluation.positions,
        "all_rollouts": evaluation.rollout,
        **_authors_arrays(model, evaluation, few),
    }

    def strip(index: int) -> np.ndarray:
        rows = comparison(evaluation, index)  # (3, T, C, S, S)
        return to_picture(rows.permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2), MAGNIFY)

    side_by_side = comparison(evaluation, 0).permute(1, 2, 3, 0, 4).flatten(3)  # (T, C, S, 3 S)
    return {
        "outputs.npz": lambda path: np.savez_compressed(path, **outputs),
        "extra_outputs.npz": lambda path: np.savez_compressed(path, **extra),
        "templates.jpg": lambda path: imageio.imwrite(path, to_picture(template_sheet(model), MAGNIFY), quality=95),
        **{f"example{i}.jpg": lambda path, i=i: imageio.imwrite(path, strip(i), quality=95) for i in range(few)},
        "rollout.gif": lambda path: imageio.imwrite(path, to_picture(side_by_side, MAGNIFY), duration=150, loop=0),
    }


def _authors_arrays(model: PAIG, evaluation: Evaluation, few: int) -> dict[str, Tensor]:
    """Arrays of the first sequences under the authors' names and in their layouts; none for a model without objects.

    Returns:
        "enc_masks" (n, S, S, K + 1), the background's last, and "masked_objs" (K, n, S, S, C) of all n encoded frames;
        "transf_masks" (K + 1, B, S, S, 1) and "transf_contents" (K + 1, B, S, S, C) of the last predicted frames.
    """
    output, device = evaluation.output, next(model.parameters()).device
    if not output.masks.shape[2]:
        return {}
    masks = output.masks[:few].flatten(0, 1)  # (n, K, S, S)
    frames = evaluation.video[:few, : output.masks.shape[1]].flatten(0, 1)  # (n, C, S, S)
    everything = torch.cat([masks, 1 - masks.sum(1, keepdim=True)], 1)
    appearance = model.appearance()
    placed = model.physics.placed(output.rollout[:few].to(device))[:, -1]
    contents, logits = model.decoder.objects(placed, appearance)
    contents = torch.cat([contents, appearance.background.expand(few, 1, *appearance.background.shape)], 1)
    return {
        "enc_masks": everything.movedim(1, -1),
        "masked_objs": (masks.unsqueeze(2) * frames.unsqueeze(1)).transpose(0, 1).movedim(2, -1),
        "transf_masks": softmax_with_background(logits).transpose(0, 1).unsqueeze(-1).cpu(),
        "transf_contents": contents.transpose(0, 1).movedim(2, -1).cpu(),
    }
