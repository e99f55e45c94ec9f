"""The paper's black-box decoder: a network that is told a position draws an object, without any placement."""

import math

import torch
from torch import Tensor, nn

from ..decoder import Decoder

# Where the mask logits start: nearly invisible. From a grey image everything would first be driven to black, a plateau
# that is hardly ever left.
FAINT_LOGIT = -3.0
WAVES = 5  # octaves that the network is told a position in


class MLPDecoder(Decoder):
    """The paper's black-box decoder, a baseline: a network of its own for each object turns a position into an image.

    Nothing tells it that an object looks the same elsewhere: where it has seen none, it cannot draw one.
    """

    def __init__(self, n_objects: int, channels: int, image_size: int, coordinates: str, window_edge: str):
        super().__init__(channels, image_size)
        outputs = (1 + channels) * image_size**2
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(4 * WAVES, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, outputs))
            for _ in range(n_objects)
        )

    def appearance(self) -> tuple[Tensor, Tensor]:
        """As :meth:`Decoder.appearance`: the middle of the image with the object in it."""
        middle = torch.full((1, len(self.networks), 2), self.image_size / 2, device=self.networks[0][0].weight.device)
        contents, logits = (x[0] for x in self.objects(middle))
        edge = self.template_size // 2
        window = slice(edge, edge + self.template_size)
        return contents[..., window, window], logits.unsqueeze(1)[..., window, window]

    def objects(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Decoder.objects`."""
        # Sines and cosines of the position, waves of two images and shorter: from two plain numbers alone a network
        # learns blurred spots for a very long time.
        octaves = 2.0 ** torch.arange(WAVES, device=positions.device)
        phase = (math.pi * positions / self.image_size).unsqueeze(-1) * octaves  # (N, K, 2, WAVES)
        places = torch.cat([phase.sin(), phase.cos()], -1).flatten(2).unbind(1)  # K times (N, 4 WAVES)
        drawn = [network(place) for network, place in zip(self.networks, places, strict=True)]
        sheets = torch.stack(drawn, 1).unflatten(2, (-1, self.image_size, self.image_size))  # (N, K, 1 + C, S, S)
        return sheets[:, :, 1:].sigmoid(), sheets[:, :, 0] + FAINT_LOGIT
