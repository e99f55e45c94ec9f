"""A baseline that knows neither objects nor physics: frames, an LSTM, frames (after Srivastava et al., 2015).

It has the face of :class:`pig_core.model.PAIG`, so that training and evaluation are the same: a model of no objects.
"""

import torch
from torch import Tensor, nn

from ..model import Output
from ..physics import Dynamics

CODE = 256  # numbers that describe one frame


class LatentDynamics(Dynamics):
    """Codes of the first L frames to codes of all that follow."""

    def __init__(self, units: int, layers: int):
        super().__init__()
        self.lstm = nn.LSTM(CODE, units, layers, batch_first=True)
        self.change = nn.Linear(units, CODE)

    def forward(self, codes: Tensor, steps: int) -> Tensor:
        """Codes (B, L, CODE) of the input frames to (B, steps, CODE) of the frames after them."""
        out, memory = self.lstm(codes)
        now, predicted = codes[:, -1:], []
        for step in range(steps):
            if step:
                out, memory = self.lstm(now, memory)
            now = now + self.change(out[:, -1:])
            predicted.append(now)
        return torch.cat(predicted, 1)


class VideoLSTM(nn.Module):
    """Convolutional encoder, LSTM on the codes, convolutional decoder.

    Args:
        size: side of the image, pixels.
        input_steps, pred_steps: L and P.
        units, layers: width and depth of the LSTM.
    """

    prior = None

    def __init__(self, channels: int, size: int, input_steps: int, pred_steps: int, units: int, layers: int):
        super().__init__()
        self.input_steps, self.pred_steps = input_steps, pred_steps
        small = size // 4
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, 32, 3, 2, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(64 * small**2, CODE),
        ).to(memory_format=torch.channels_last)  # fmt: skip
        self.physics = LatentDynamics(units, layers)
        self.shape = (channels, size, size)
        # Twice the size by a shuffle of four times as many channels: cheaper than convolving the large image.
        self.decoder = nn.Sequential(
            nn.Linear(CODE, 64 * small**2), nn.ReLU(), nn.Unflatten(1, (64, small, small)),
            nn.Conv2d(64, 4 * 32, 3, padding=1), nn.PixelShuffle(2), nn.ReLU(),
            nn.Conv2d(32, 4 * channels, 3, padding=1), nn.PixelShuffle(2),
        ).to(memory_format=torch.channels_last)  # fmt: skip

    def forward(self, video: Tensor, actions: None = None, separate: bool = False) -> Output:
        """As :meth:`pig_core.model.PAIG.forward`, with no objects (K = 0); everything learns from everything."""
        steps, ahead = self.input_steps + self.pred_steps, video.shape[1] - self.input_steps
        seen = video[:, :steps]
        codes = self.encoder(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])  # (B, L+P, CODE)
        predicted = self.physics(codes[:, : self.input_steps], ahead)
        images = self.decode(torch.cat([codes, predicted], 1))
        positions, rollout = video.new_empty(len(video), steps, 0, 2), video.new_empty(len(video), ahead, 0, 2)
        masks = video.new_empty(len(video), steps, 0, *video.shape[-2:])
        return Output(positions, masks, images[:, :steps], rollout, rollout, images[:, steps:])

    def decode(self, codes: Tensor) -> Tensor:
        """Draw codes (B, T, CODE) as frames (B, T, C, S, S), which may leave [0, 1] a little.

        The last layer is linear: behind a sigmoid the all-black image is a plateau that is hardly ever left.
        """
        return self.decoder(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])

    def appearance(self) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`pig_core.model.PAIG.appearance`: no object, a black background."""
        channels, size, _ = self.shape
        empty = torch.zeros(0, channels, size // 2, size // 2)
        return empty, empty[:, :1], torch.zeros(self.shape)
