"""One look for all figures: labelled axes, colours that a colour-blind reader can tell apart."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from torch import Tensor

PALETTE = sns.color_palette("colorblind")
# Object j is drawn in these colours, close to the blue, green and red of the videos.
OBJECT_COLORS = [PALETTE[0], PALETTE[2], PALETTE[3]]
LOSS_LABEL = "squared error per frame"


def use_style() -> None:
    """One look for all figures: white background (they sit on a light card in dark mode), thin grid."""
    sns.set_theme(style="whitegrid", palette="colorblind", rc={"axes.spines.top": False, "axes.spines.right": False})
    plt.rcParams.update(
        {"figure.dpi": 110, "figure.constrained_layout.use": True, "font.size": 10, "axes.titlesize": 11}
    )


def show_image(ax: plt.Axes, image: Tensor) -> None:
    """Show an image (C, S, S) in [0, 1]."""
    picture = image.detach().cpu().clamp(0, 1).movedim(0, -1)
    ax.imshow(picture.expand(*picture.shape[:2], 3).numpy(), interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
