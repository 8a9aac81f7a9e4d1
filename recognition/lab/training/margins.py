"""The margins of the softmax family: COM(theta) = cos(m1 theta + m2) - m3 replaces the cosine of a face's own person.

Sources: ArcFace (CVPR 2019) for the combination; SphereFace (CVPR 2017): m1; CosFace (CVPR 2018): m3. Value and slope of the
few cosines that a batch needs are computed in NumPy with float64, so that they do not depend on the net's precision.
"""

from dataclasses import dataclass

import numpy as np

# Angles nearer to 0 or pi than this get the slope that is here: at 0 and pi that of arccos is infinite, and a float32 cosine
# cannot distinguish angles below 3e-4.
NEAREST = 1e-3  # rad
EXTENSIONS = ("monotone", "plain", "easy")


@dataclass(frozen=True, slots=True)
class Margin:
    """m1, m2 (rad), m3: of the formula above. scale: multiplies all cosines before the softmax.

    extension: how the formula continues where x = m1 theta + m2 is beyond pi. There the cosine rises again, so that the
    worst angle would be rewarded.
    “monotone” keeps falling: (-1)^k cos(x) - 2k for x from k pi to (k + 1) pi, as in SphereFace. “plain” is the bare formula,
    as ArcFace's published code computes it. “easy” applies the margin only below 90° (ArcFace's “easy margin”); beyond that
    the cosine is unchanged, with a jump in between. The first two agree up to x = pi, and all three up to 90°.
    """

    m1: float = 1.0
    m2: float = 0.0
    m3: float = 0.0
    scale: float = 64.0
    extension: str = "monotone"


NAMED = {
    "softmax": Margin(),  # norm softmax: weights and features of unit length
    "sphereface": Margin(m1=1.5),
    "cosface": Margin(m3=0.35),
    "arcface": Margin(m2=0.5),
    "combined": Margin(m1=1.0, m2=0.3, m3=0.2),
}


def named_margin(
    loss: str,
    *,
    m1: float | None = None,
    m2: float | None = None,
    m3: float | None = None,
    scale: float | None = None,
    extension: str | None = None,
) -> Margin:
    """The margin of a loss of NAMED, changed by the arguments that are not None. Raises KeyError, ValueError."""
    named = NAMED[loss]
    margin = Margin(
        m1=named.m1 if m1 is None else m1,
        m2=named.m2 if m2 is None else m2,
        m3=named.m3 if m3 is None else m3,
        scale=named.scale if scale is None else scale,
        extension=named.extension if extension is None else extension,
    )
    if margin.m1 <= 0 or margin.m2 < 0 or margin.m3 < 0 or margin.scale <= 0:
        raise ValueError("m1 and the scale must be above 0, and m2 and m3 not below 0.")
    if margin.extension not in EXTENSIONS:
        raise ValueError(f"The extension of a margin past pi must be one of {', '.join(EXTENSIONS)}.")
    return margin


def target_cosine(cosine: np.ndarray, margin: Margin) -> tuple[np.ndarray, np.ndarray]:
    """COM for these cosines, and its derivative with respect to the cosine; float64, of the same shape."""
    cosine = np.clip(np.asarray(cosine, "float64"), -1, 1)
    angle = np.arccos(cosine)
    value, _ = _psi(margin.m1 * angle + margin.m2, margin.extension)
    near = np.clip(angle, NEAREST, np.pi - NEAREST)
    _, falling = _psi(margin.m1 * near + margin.m2, margin.extension)
    slope = falling * margin.m1 / -np.sin(near)
    if margin.extension == "easy":
        value, slope = np.where(cosine > 0, value, cosine + margin.m3), np.where(cosine > 0, slope, 1.0)
    return value - margin.m3, slope


def _psi(x: np.ndarray, extension: str) -> tuple[np.ndarray, np.ndarray]:
    """cos(x), continued beyond pi as `extension` says, and its derivative with respect to x."""
    if extension != "monotone":
        return np.cos(x), -np.sin(x)
    turns = np.floor(x / np.pi)
    sign = 1 - 2 * (turns % 2)
    return sign * np.cos(x) - 2 * turns, -sign * np.sin(x)
