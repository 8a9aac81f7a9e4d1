"""The figures agree with slow and plain computations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.lab.evaluation import metrics

distances = st.lists(st.integers(0, 12), min_size=1, max_size=25).map(lambda found: np.array(found, "float32") / 8)


def accuracy(genuine, impostor, threshold) -> float:
    return ((genuine <= threshold).sum() + (impostor > threshold).sum()) / (len(genuine) + len(impostor))


@settings(deadline=None)
@given(distances, distances)
def test_auc_is_the_rank_statistic_and_the_area(genuine, impostor):
    wins = [(g < i) + 0.5 * (g == i) for g in genuine for i in impostor]
    assert metrics.auc(genuine, impostor) == pytest.approx(np.mean(wins))
    far, tar, _ = metrics.roc(genuine, impostor)
    assert metrics.auc(genuine, impostor) == pytest.approx(np.trapz(tar, far))


@settings(deadline=None)
@given(distances, distances)
def test_roc_says_what_each_threshold_does(genuine, impostor):
    far, tar, thresholds = metrics.roc(genuine, impostor)
    assert (far[0], tar[0], far[-1], tar[-1]) == (0, 0, 1, 1)
    for f, t, threshold in zip(far[1:], tar[1:], thresholds[1:], strict=True):
        assert f == pytest.approx((impostor <= threshold).mean())
        assert t == pytest.approx((genuine <= threshold).mean())


@settings(deadline=None)
@given(distances, distances)
def test_eer_lies_where_the_error_rates_cross(genuine, impostor):
    eer, _ = metrics.equal_error_rate(genuine, impostor)
    rates = [(0.0, 1.0)] + [
        ((impostor <= t).mean(), (genuine > t).mean()) for t in np.unique(np.concatenate([genuine, impostor]))
    ]
    before = max(far for far, frr in rates if far <= frr)
    after = min(far for far, frr in rates if far >= frr)
    assert before - 1e-9 <= eer <= after + 1e-9
    assert min(max(rate) for rate in rates) >= eer - 1e-9


@settings(deadline=None)
@given(distances, distances, st.sampled_from([0.5, 0.25, 0.1]))
def test_tar_at_far_is_the_loosest_threshold_allowed(genuine, impostor, far):
    found = metrics.tar_at_far(genuine, impostor, far)
    allowed = [t for t in np.concatenate([[-1.0], genuine, impostor]) if (impostor <= t).mean() <= far]
    if found is None:
        assert len(impostor) * far < 1
        return
    assert found.tar == max((genuine <= t).mean() for t in allowed)
    assert found.accepted == (impostor <= found.threshold).sum() <= far * len(impostor) + 1e-9
    assert found.low <= found.tar <= found.high


@settings(deadline=None, max_examples=50)
@given(distances, distances)
def test_no_threshold_is_better_than_the_best(genuine, impostor):
    values = np.concatenate([genuine, impostor])
    same = np.arange(len(values)) < len(genuine)
    best = metrics.best_threshold(values, same, rounds=5)
    candidates = [-1.0, *values]
    assert best.accuracy == max(accuracy(genuine, impostor, t) for t in candidates)
    assert best.accuracy == accuracy(genuine, impostor, best.threshold)
    assert best.low <= best.threshold <= best.high


def test_the_bootstrap_interval_holds_the_truth():
    """Two normal distributions of the same width: the best threshold is half-way between them."""
    hits = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        values = np.concatenate([random.normal(0.6, 0.2, 400), random.normal(1.2, 0.2, 400)]).astype("float32")
        best = metrics.best_threshold(values, np.arange(800) < 400, seed=seed)
        assert best.high - best.low < 0.25
        hits += best.low <= 0.9 <= best.high
    assert hits >= 17


def test_wilson_against_the_published_example():
    """Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662."""
    assert metrics.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert metrics.wilson(0, 20)[0] == 0 and metrics.wilson(20, 20)[1] == 1


@settings(deadline=None)
@given(st.integers(1, 400), st.sampled_from([1e-4, 1e-3, 1e-2, 0.1, 0.5]))
def test_binomial_range_against_the_definition(count, share):
    low, high = metrics.binomial_range(count, share)
    mass = [math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(count + 1)]
    assert sum(mass[low : high + 1]) >= 0.95 - 5e-3
    assert 0 <= low <= count * share + 1 and low <= high <= count
    assert sum(mass[: max(low, 0)]) <= 0.03 and sum(mass[high + 1 :]) <= 0.03


def test_the_interval_of_tar_holds_the_truth():
    """At the threshold with a true FAR of 0.01, two normal distributions 3 deviations apart have a TAR of 0.7497."""
    held = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        found = metrics.tar_at_far(random.normal(2.0, 1, 500), random.normal(5.0, 1, 500), 0.01)
        held += found.low <= 0.7497 <= found.high
    assert held >= 37


def published_accuracies(distances, same, folds=10):
    """The published code, written as loops: squared distances, 400 thresholds, the first of the best."""
    squared, found = distances.astype("float64") ** 2, []
    for part in np.array_split(np.arange(len(same)), folds):
        train = np.setdiff1d(np.arange(len(same)), part)
        scores = [((squared[train] < t) == same[train]).mean() for t in np.arange(0, 4, 0.01)]
        threshold = np.arange(0, 4, 0.01)[int(np.argmax(scores))]
        found.append(((squared[part] < threshold) == same[part]).mean())
    return np.array(found)


@pytest.mark.parametrize("count", [200, 203])
def test_fold_accuracy_is_the_published_one(count):
    random = np.random.default_rng(4)
    same = np.arange(count) % 2 == 0
    values = np.where(same, random.normal(1.0, 0.2, count), random.normal(1.4, 0.1, count)).astype("float32")
    parts, published = metrics.split_folds(same)
    assert published
    found = metrics.fold_accuracy(values, same, parts, grid=metrics.PUBLISHED_GRID)
    assert np.allclose(found.accuracies, published_accuracies(values, same))
    exact = metrics.fold_accuracy(values, same, parts, grid=None)
    assert abs(exact.accuracies.mean() - found.accuracies.mean()) < 0.05


def test_pairs_that_could_not_be_compared_choose_no_threshold_and_count_as_wrong():
    same = np.arange(100) % 2 == 0
    values = np.where(same, 0.5, 1.5).astype("float32")
    values[[3, 10, 11]] = np.nan
    parts, _ = metrics.split_folds(same)
    found = metrics.fold_accuracy(values, same, parts, grid=None)
    assert found.accuracies.tolist() == [1.0] * 10
    assert found.with_failures.tolist() == [0.9, 0.8] + [1.0] * 8


def test_folds_of_a_sorted_list_are_dealt_out():
    same = np.arange(60) < 30
    parts, published = metrics.split_folds(same)
    assert not published
    assert sorted(np.concatenate(parts).tolist()) == list(range(60))
    assert all(same[part].sum() == 3 == len(part) - 3 for part in parts)
