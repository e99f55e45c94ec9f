"""A small video player for notebooks and static pages: one sprite sheet, play, pause and a slider, no network."""

from __future__ import annotations

import base64
import html
import io
import json
import uuid

import imageio.v3 as imageio
import numpy as np
import torch
from IPython.display import HTML

from .artifacts import comparison, to_picture
from .evaluation import Evaluation

# Plain JavaScript on one <canvas>; every player has its own id, so that a page can hold many.
_PAGE = """
<figure class="pig-player" id="{id}" style="margin:1em 0;max-width:{width}px">
  <canvas width="{width}" height="{height}" role="img" aria-label="{alt}" style="width:100%;image-rendering:pixelated;border-radius:6px"></canvas>
  <div style="display:flex;gap:.6em;align-items:center;font:14px sans-serif">
    <button type="button" aria-label="play or pause" style="min-width:5.5em;padding:.3em">&#10074;&#10074; pause</button>
    <input type="range" min="0" max="{last}" value="0" aria-label="frame" style="flex:1">
    <output style="min-width:9em"></output>
  </div>
  <figcaption style="font:13px sans-serif;opacity:.8">{caption}</figcaption>
</figure>
<script>
(() => {{
  const root = document.getElementById("{id}"), canvas = root.querySelector("canvas"), pen = canvas.getContext("2d");
  const button = root.querySelector("button"), slider = root.querySelector("input"), text = root.querySelector("output");
  const labels = {labels}, sheet = new Image();
  let playing = true, frame = 0;
  const show = () => {{
    pen.drawImage(sheet, 0, frame * {height}, {width}, {height}, 0, 0, {width}, {height});
    slider.value = frame; text.textContent = labels[frame]; root.dataset.frame = frame;
  }};
  const setPlaying = value => {{ playing = value; button.textContent = value ? "\\u275A\\u275A pause" : "\\u25B6 play"; }};
  button.onclick = () => setPlaying(!playing);
  slider.oninput = () => {{ setPlaying(false); frame = Number(slider.value); show(); }};
  sheet.onload = () => {{ show(); setInterval(() => {{ if (playing) {{ frame = (frame + 1) % labels.length; show(); }} }}, {pause}); }};
  sheet.src = "{sheet}";
}})();
</script>
"""


def player(frames: np.ndarray, labels: list[str], caption: str, milliseconds: int = 200) -> HTML:
    """A player for frames (T, H, W, 3) uint8, with one label for each frame."""
    sheet = frames.reshape(-1, *frames.shape[2:])  # frames below one another
    file = io.BytesIO()
    imageio.imwrite(file, sheet, extension=".png")
    return HTML(
        _PAGE.format(
            id=f"player-{uuid.uuid4().hex[:8]}",
            width=frames.shape[2],
            height=frames.shape[1],
            last=len(frames) - 1,
            labels=json.dumps(labels),
            pause=milliseconds,
            alt=html.escape(caption, quote=True),
            caption=html.escape(caption),
            sheet="data:image/png;base64," + base64.b64encode(file.getvalue()).decode(),
        )
    )


def rollout_player(evaluation: Evaluation, input_steps: int, pred_steps: int, count: int = 3) -> HTML:
    """Prediction (left), truth (middle) and their difference (right) of the first test sequences, one below another."""
    rows = []
    for i in range(min(count, len(evaluation.video))):
        shown = comparison(evaluation, i)
        prediction, truth = shown["prediction"].clone(), shown["truth"]
        prediction[:input_steps] = evaluation.output.recons[i, :input_steps]
        gap = torch.ones_like(truth[..., :1])
        rows.append(torch.cat([prediction, gap, truth, gap, (prediction - truth).abs()], -1))
    length, end = len(rows[0]), input_steps + pred_steps
    parts = ["input" if t < input_steps else "predicted" if t < end else "extrapolated" for t in range(length)]
    labels = [f"frame {t + 1}, {part}" for t, part in enumerate(parts)]
    caption = (
        "Model (left), truth (middle) and difference (right) of test videos. The model sees the input frames only."
    )
    return player(to_picture(torch.cat(rows, -2), 5), labels, caption)
