"""The margins of the softmax family: COM(theta) = cos(m1 theta + m2) - m3 in place of an image's own class's cosine.

Sources: ArcFace (CVPR 2019) for the combination; SphereFace (CVPR 2017): m1; CosFace (CVPR 2018): m3. NumPy alone, in
float64: value and slope of the few cosines a batch needs, so that neither depends on the net's precision.
"""

from dataclasses import dataclass, replace

import numpy as np

# Angles nearer than this to 0 and pi take the slope that is here: arccos has an infinite one there, and a cosine in
# float32 tells no angles below 3e-4 apart.
NEAREST = 1e-3  # rad
EXTENSIONS = ("monotone", "plain", "easy")


@dataclass(frozen=True, slots=True)
class Margin:
    """scale: what all cosines are multiplied by before the softmax.

    extension: what follows where m1 theta + m2 passes pi, and the cosine would rise again, so that the angle which is
    most wrong would be rewarded.
    monotone: psi goes on falling, (-1)^k cos(x) - 2k for x from k pi to (k + 1) pi, as in SphereFace. plain: the bare
    formula, as ArcFace's published code computes it. easy: the margin holds below 90° alone (ArcFace's “easy margin”);
    beyond it the cosine is left as it is, with a jump between the two. All three agree from 0 to where x reaches pi, or
    to 90°.
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


def named_margin(loss: str, **changes: float | str | None) -> Margin:
    """The margin of a loss of NAMED, with those of `changes` that are not None. Raises KeyError, ValueError."""
    margin = replace(NAMED[loss], **{name: value for name, value in changes.items() if value is not None})
    if margin.m1 <= 0 or margin.m2 < 0 or margin.m3 < 0 or margin.scale <= 0:
        raise ValueError("m1 and the scale are above 0, m2 and m3 not below.")
    if margin.extension not in EXTENSIONS:
        raise ValueError(f"Past pi a margin is one of {', '.join(EXTENSIONS)}.")
    return margin


def target_cosine(cosine: np.ndarray, margin: Margin) -> tuple[np.ndarray, np.ndarray]:
    """COM of the angles with these cosines, and its derivative by the cosine; float64, of the same shape."""
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
    """cos(x), beyond pi as `extension` has it, and its derivative by x."""
    if extension != "monotone":
        return np.cos(x), -np.sin(x)
    turns = np.floor(x / np.pi)
    sign = 1 - 2 * (turns % 2)
    return sign * np.cos(x) - 2 * turns, -sign * np.sin(x)
