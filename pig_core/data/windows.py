"""The authors' anti-aliased shrinking as a matrix, and the parts of it that a small object needs.

The authors draw every frame several times too large and shrink it with scikit-image's anti-aliased ``resize``
(paper-spec, section 4). Shrinking is linear and separable, ``small = R @ large @ R.T``, and an object covers only
few large pixels, so a window of R around it is all that is needed.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from skimage.transform import resize


@lru_cache
def shrink_matrix(size: int, factor: int) -> np.ndarray:
    """The (size, factor * size) matrix R of the authors' anti-aliased resize along one axis."""
    # Resizing the identity along its first axis only gives the matrix of that operation.
    return resize(np.eye(factor * size), (size, factor * size), anti_aliasing=True)


@lru_cache
def shrink_windows(size: int, factor: int, length: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """For every place of an object of ``length`` large pixels: the ``width`` rows of R that it reaches.

    Entry ``i`` belongs to an object whose first large pixel is ``i - length``: it may leave the image on both sides,
    and what is outside is not drawn.

    Returns:
        first row of each window (factor * size + length,), and the windows (factor * size + length, width, length).
    """
    matrix = np.pad(shrink_matrix(size, factor), ((0, 0), (length, length)))
    places = np.arange(factor * size + length)
    middle = (places - length + length // 2) // factor
    first = np.clip(middle - width // 2, 0, size - width)
    return first, np.stack([matrix[f : f + width, c : c + length] for f, c in zip(first, places, strict=True)])
