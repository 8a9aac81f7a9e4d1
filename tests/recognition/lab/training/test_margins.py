"""Every margin agrees with its formula and with a numerical gradient."""

import numpy as np
import pytest

from recognition.engine.mxnet_runtime import import_mxnet
from recognition.lab.training.losses import HEAD, MarginLoss, TripletLoss, mine_triplets
from recognition.lab.training.margin_table import SETTINGS
from recognition.lab.training.margins import NAMED, NEAREST, Margin, named_margin, target_cosine

ANGLES = np.linspace(0.01, np.pi - 0.01, 400)
TABLE = [Margin(setting.m1, setting.m2, setting.m3) for setting in SETTINGS]
EVERY = {f"{margin.m1:g}, {margin.m2:g}, {margin.m3:g}": margin for margin in [*TABLE, *NAMED.values()]}


@pytest.mark.parametrize("margin", EVERY.values(), ids=EVERY)
def test_the_formula_holds_up_to_pi(margin):
    angles = ANGLES[margin.m1 * ANGLES + margin.m2 <= np.pi]
    value, _ = target_cosine(np.cos(angles), margin)
    np.testing.assert_allclose(value, np.cos(margin.m1 * angles + margin.m2) - margin.m3, atol=1e-12)


@pytest.mark.parametrize("extension", ["monotone", "plain", "easy"])
@pytest.mark.parametrize("margin", EVERY.values(), ids=EVERY)
def test_the_slope_is_the_numerical_one(margin, extension):
    margin = Margin(margin.m1, margin.m2, margin.m3, extension=extension)
    cosines, step = np.cos(ANGLES), 1e-7
    kinks = np.cos((np.arange(1, 3) * np.pi - margin.m2) / margin.m1)
    smooth = (np.abs(cosines[:, None] - kinks) > 1e-4).all(1) & (np.abs(cosines) > 1e-4)
    ends = [target_cosine(cosines[smooth] + move, margin)[0] for move in (step, -step)]
    _, slope = target_cosine(cosines[smooth], margin)
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), rtol=1e-4, atol=1e-5)


def test_past_pi_only_the_plain_margin_rises_again():
    sphere = named_margin("sphereface", m1=4.0)
    falling, _ = target_cosine(np.cos(ANGLES), sphere)
    assert (np.diff(falling) < 0).all()
    np.testing.assert_allclose(falling[-1], -7, atol=0.01)  # (-1)^3 cos(4 pi) - 2 * 3
    plain, _ = target_cosine(np.cos(ANGLES), named_margin("sphereface", m1=4.0, extension="plain"))
    assert (np.diff(plain) > 0).any()


@pytest.mark.parametrize("margin", EVERY.values(), ids=EVERY)
def test_at_the_ends_value_and_slope_are_finite(margin):
    """Also for cosines that are a little beyond 1 through float32 rounding."""
    value, slope = target_cosine(np.array([1 + 2e-7, 1, np.cos(NEAREST / 10), -1, -1 - 2e-7], "float32"), margin)
    assert np.isfinite(value).all()
    assert (slope >= 0).all() and (slope <= (margin.m1 + 1) / NEAREST).all()
    assert value[0] == pytest.approx(np.cos(margin.m2) - margin.m3)


def test_the_easy_margin_leaves_angles_beyond_90_degrees_alone():
    cosines = np.array([-0.9, -0.1, 0.1])
    value, slope = target_cosine(cosines, named_margin("arcface", extension="easy"))
    np.testing.assert_allclose(value, [-0.9, -0.1, np.cos(np.arccos(0.1) + 0.5)])
    assert slope[:2].tolist() == [1, 1]


def softmax_loss(vectors, weight, labels, margin):
    """The whole loss in numpy, float64."""
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (vectors, weight)]
    cosines = unit[0] @ unit[1].T
    places = np.arange(len(labels))
    cosines[places, labels] = target_cosine(cosines[places, labels], margin)[0]
    logits = margin.scale * cosines
    return (
        np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1) - logits[places, labels]
    ).mean()


def triplet_loss(vectors, labels, alpha):
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    anchor, positive, negative = mine_triplets(vectors, labels)
    near, far = (((vectors[anchor] - vectors[face]) ** 2).sum(1) for face in (positive, negative))
    return np.maximum(near - far + alpha, 0).mean()


def gradient_of(loss, labels, vectors, params):
    mx = import_mxnet(threads=1)
    arrays = [mx.nd.array(value) for value in (vectors, *params.values())]
    for array in arrays:
        array.attach_grad()
    with mx.autograd.record():
        value, right = loss(arrays[0], labels, dict(zip(params, arrays[1:], strict=True)))
    value.backward()
    return float(value.asscalar()), right, [array.grad.asnumpy() for array in arrays]


def numerical(function, array):
    out = np.zeros(array.shape)
    for place in np.ndindex(array.shape):
        moved = [array.copy(), array.copy()]
        moved[0][place] += 1e-5
        moved[1][place] -= 1e-5
        out[place] = (function(moved[0]) - function(moved[1])) / 2e-5
    return out


@pytest.mark.parametrize("margin", [Margin(m.m1, m.m2, m.m3, scale=8) for m in EVERY.values()], ids=EVERY)
def test_the_losss_gradient_is_the_numerical_one(margin):
    random = np.random.default_rng(5)
    vectors, weight, labels = random.normal(size=(6, 4)), random.normal(size=(3, 4)), np.array([0, 1, 2, 0, 1, 2])
    value, _, gradients = gradient_of(MarginLoss(margin, 3), labels, vectors, {HEAD: weight})
    assert value == pytest.approx(softmax_loss(vectors, weight, labels, margin), rel=1e-5)
    expected = [
        numerical(lambda moved: softmax_loss(moved, weight, labels, margin), vectors),
        numerical(lambda moved: softmax_loss(vectors, moved, labels, margin), weight),
    ]
    for gradient, reference in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, reference, rtol=1e-3, atol=1e-4)


def test_a_face_exactly_at_its_centre_has_a_finite_gradient():
    weight = np.eye(3, 4)
    _, right, gradients = gradient_of(MarginLoss(NAMED["arcface"], 3), np.array([0, 1]), weight[[0, 1]], {HEAD: weight})
    assert right == 1
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_triplets_and_their_gradient():
    random = np.random.default_rng(2)
    vectors, labels = random.normal(size=(8, 4)), np.array([0, 0, 1, 1, 1, 2, 2, 3])
    value, _, [gradient] = gradient_of(TripletLoss(0.3), labels, vectors, {})
    assert value == pytest.approx(triplet_loss(vectors, labels, 0.3), rel=1e-5)
    expected = numerical(lambda moved: triplet_loss(moved, labels, 0.3), vectors)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-5)


def test_the_negative_of_a_triplet_is_semi_hard():
    line = np.array([[0.0], [1.0], [0.5], [1.5], [9.0]])
    anchor, positive, negative = mine_triplets(line, np.array([0, 0, 1, 1, 2]))
    negatives = dict(zip(zip(anchor.tolist(), positive.tolist(), strict=True), negative.tolist(), strict=True))
    assert negatives[0, 1] == 3  # at 1.5, the nearest beyond 1; the face at 0.5 is nearer than the positive
    assert negatives[1, 0] == 4
    assert [len(part) for part in mine_triplets(line[:2], np.array([0, 0]))] == [0, 0, 0]  # there is nobody else
