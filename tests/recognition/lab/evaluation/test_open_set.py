"""The open-set protocol: figures against plain counting, the policies against plain loops, and what is refused."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from recognition.lab.evaluation import open_set, policies
from recognition.lab.evaluation.drawing import det_chart
from recognition.lab.evaluation.figures import figures_of, verdict
from recognition.lab.evaluation.open_set import LabelledFaces, Plan, evaluate_open_set
from recognition.lab.evaluation.policies import COHORT, FEW, Gallery, Vectors
from recognition.lab.evaluation.searches import Searches, at_threshold, bootstrap, judge, together
from recognition.lab.evaluation.sets import SetError


def people(count: int, each: int, *, spread: float = 0.2, seed: int = 0, dim: int = 16) -> LabelledFaces:
    """Made-up vectors of unit length; probes differ a little from samples."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(count, 1, dim))
    samples = _unit((centres + spread * random.normal(size=(count, each, dim))).reshape(-1, dim))
    probes = _unit(samples + 0.02 * random.normal(size=samples.shape))
    labels = np.repeat([f"person {number:03d}" for number in range(count)], each)
    return LabelledFaces(labels, samples.astype("float32"), probes.astype("float32"), "cosine")


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def searches(mated: list[float], strangers: list[float]) -> Searches:
    """Each search of another person; all strangers find person 0."""
    return together(
        [
            Searches(
                mated=np.arange(len(mated)),
                mated_faces=np.arange(len(mated)),
                mated_scores=np.array(mated),
                strangers=np.arange(len(strangers)),
                stranger_faces=np.arange(len(strangers)),
                stranger_scores=np.array(strangers),
                nearest=np.zeros(len(strangers), int),
            )
        ]
    )


def run(faces: LabelledFaces, plan: Plan | None = None, **options):
    return evaluate_open_set(faces, plan or Plan(draws=3), name="made up", sha256="0" * 64, **options)


# --- figures ----------------------------------------------------------------------------------------------------------
def test_fpir_and_fnir_are_counted_exactly():
    found = searches([0.5, 0.1, math.inf, 0.3], [0.9, 0.4, 0.2, 0.6, 0.8, 0.7, 1.0, 1.1, 1.2, 1.3])
    assert found.limit(0.1) == 0.4  # one of ten strangers may pass: the one at 0.2
    assert found.fpir(0.4) == 0.1
    assert found.fnir(0.4) == 0.5  # 0.1 and 0.3 are found, 0.5 is too far, and somebody else was nearer to one
    assert found.fnir_at(0.1) == 0.5
    assert found.limit(0.3) == 0.7 and found.fnir_at(0.3) == 0.25
    assert found.limit(1.0) == math.inf and found.fnir(math.inf) == 0.25  # who is not found first is never found
    assert found.limit(0.05) == 0.2 and found.fpir(0.2) == 0.0


def test_strangers_with_equal_scores_pass_together_or_not_at_all():
    found = searches([0.3, 0.5, 0.6], [0.5, 0.5, 0.5, 0.8, 0.9])
    assert found.limit(0.4) == 0.5 and found.fpir(0.5) == 0 and found.fnir(0.5) == pytest.approx(2 / 3)
    assert found.limit(0.6) == 0.8 and found.fnir(0.8) == 0


def test_a_person_drawn_twice_counts_twice_and_one_not_drawn_not_at_all():
    found = searches([0.1, 0.5, 0.5, 0.5], [0.2, 0.4, 0.6, 0.8])
    weights = np.array([2, 0, 1, 1])
    assert found.fnir(0.3, weights) == 0.5  # 2 of 2 + 0 + 1 + 1
    assert found.fpir(0.3, weights) == 0.5  # 2 of 2 + 0 + 1 + 1, all by way of person 0, who counts twice everywhere
    assert found.limit(0.5, weights) == 0.6  # the stranger at 0.4 was not drawn
    assert not found.counts_with(np.array([0, 1, 1, 1]))  # nobody is left whom a stranger finds


def test_a_threshold_accepts_what_lies_at_it():
    found = searches([0.25, 0.5], [0.5, 0.75, 1.0, 1.25])
    rounds = bootstrap({"one": found}, 4, np.random.default_rng(0))
    at = at_threshold(found, 0.5, rounds)
    assert (at.fpir.value, at.fnir.value) == (0.25, 0.0)
    assert at_threshold(found, 0.25, rounds).fpir.value == 0


def test_no_error_is_not_taken_for_certainty():
    found = searches([0.1] * 30, [0.8] * 30)
    [result] = judge({"one": found}, bootstrap({"one": found}, 30, np.random.default_rng(0)))
    assert result.rank1.value == 1 and result.rank1.high == 1
    assert result.rank1.low == pytest.approx(0.05 ** (1 / 30), abs=1e-6)
    assert [at.fpir for at in result.at_fpir] == [0.1]  # 30 searches cannot show 0.01
    assert result.at_fpir[0].fnir.high == pytest.approx(1 - 0.05 ** (1 / 30), abs=1e-6)


# --- policies ---------------------------------------------------------------------------------------------------------
@pytest.fixture(params=[True, False], ids=["cosine", "L2"])
def gallery(request) -> SimpleNamespace:
    """Six enrolled people with one to four samples each, of eight people with five faces each."""
    faces = people(8, 5, seed=3)
    enrolled = [np.arange(5 * person, 5 * person + count) for person, count in enumerate([1, 2, 3, 4, 4, 2])]
    return SimpleNamespace(
        faces=faces,
        cosine=request.param,
        enrolled=enrolled,
        held=Gallery(Vectors.of(faces.samples, faces.probes, cosine=request.param), enrolled),
    )


def without(samples: np.ndarray, face: int) -> list[int]:
    return [sample for sample in samples if sample != face]


def plainly(gallery, score) -> np.ndarray:
    """score(face, the person's samples without the face) for each face and person; inf if no sample is left."""
    return np.array(
        [
            [score(face, rest) if (rest := without(samples, face)) else math.inf for samples in gallery.enrolled]
            for face in range(len(gallery.faces))
        ]
    )


def distances(gallery, face: int, samples: list[int]) -> list[float]:
    return sorted(np.linalg.norm(gallery.faces.probes[face] - gallery.faces.samples[samples], axis=1))


def to_mean(gallery, face: int, samples: list[int]) -> float:
    mean = gallery.faces.samples[samples].mean(0)
    return np.linalg.norm(gallery.faces.probes[face] - (_unit(mean) if gallery.cosine else mean))


def test_policies_leave_a_face_out_of_its_own_person(gallery):
    near = plainly(gallery, lambda face, samples: distances(gallery, face, samples)[0])
    few = plainly(gallery, lambda face, samples: np.mean(distances(gallery, face, samples)[:FEW]))
    mean = plainly(gallery, lambda face, samples: to_mean(gallery, face, samples))
    assert policies.nearest(gallery.held) == pytest.approx(near, abs=1e-4)
    assert policies.best_few(gallery.held) == pytest.approx(few, abs=1e-4)
    assert policies.mean_vector(gallery.held) == pytest.approx(mean, abs=1e-4)
    assert policies.nearest_or_mean(gallery.held) == pytest.approx(np.minimum(near, mean), abs=1e-4)


@pytest.mark.parametrize("cohort", [3, COHORT])
def test_s_norm_measures_by_the_impostors_of_both_sides(gallery, monkeypatch, cohort):
    monkeypatch.setattr(policies, "COHORT", cohort)
    samples = gallery.faces.samples
    near = plainly(gallery, lambda face, mine: distances(gallery, face, mine)[0])
    everybody = np.concatenate(gallery.enrolled)
    wide = min(cohort, len(gallery.enrolled) - 2)  # face 0 has no sample of its own person left: four others
    deep = min(cohort, len(everybody) - 4 - 1)  # the largest person has four samples, and the face itself is left out
    shift = np.full(near.shape, np.inf)
    norm = np.full(near.shape, np.inf)
    for face in range(len(near)):
        for person, mine in enumerate(gallery.enrolled):
            if not (rest := without(mine, face)):
                continue
            others = sorted(np.delete(near[face], person))[:wide]
            impostors = [sample for sample in everybody if sample not in mine and sample != face]
            found = sorted(np.linalg.norm(samples[one] - samples[rest], axis=1).min() for one in impostors)
            found = found[: cohort if face in mine else deep]
            shift[face, person] = near[face, person] - (np.mean(others) + np.mean(found)) / 2
            norm[face, person] = (
                sum((near[face, person] - np.mean(part)) / np.std(part) for part in (others, found)) / 2
            )
    assert policies.s_shift(gallery.held) == pytest.approx(shift, abs=1e-3)
    assert policies.s_norm(gallery.held) == pytest.approx(norm, rel=5e-3, abs=5e-3)


# --- protocol ---------------------------------------------------------------------------------------------------------
def test_people_who_are_far_apart_are_all_found():
    faces = people(20, 4, spread=0.01)
    result = run(faces, Plan(draws=10), threshold=lambda faces: faces / 100)
    assert (result.people, result.faces, result.enrolled) == (20, 80, {"people": 10, "faces": 40})
    assert result.searches == {"enrolled": 400, "strangers": 400}
    for found in result.policies:
        assert found.rank1.value == 1
        assert [at.fpir for at in found.at_fpir] == [0.1, 0.01]
    today = result.policies[0]
    assert today.policy == "nearest" and [at.fnir.value for at in today.at_fpir] == [0, 0]
    assert all(at.accepted <= at.fpir * 400 for found in result.policies for at in found.at_fpir)
    assert result.at_threshold.distance == 0.4 and result.at_threshold.fnir.value == 0
    assert result.notes == [
        "FNIR at FPIR 0.001 is left out: 400 searches by strangers are too few to measure so small a rate."
    ]


def test_the_same_face_under_two_names_is_not_found_first():
    faces = people(12, 2, spread=0.01)
    faces.samples[1::2], faces.samples[0::2] = faces.samples[0::2], faces.samples[1::2]
    faces.samples[2:4], faces.probes[2:4] = faces.samples[0:2], faces.probes[0:2]  # person 1 is person 0
    result = run(faces, Plan(draws=40, strangers=0.25))
    today = result.policies[0]
    together_enrolled = 1 - today.rank1.value
    assert 0 < together_enrolled < 4 / 18  # never more than the four faces of the two
    assert today.at_fpir[0].fnir.value >= together_enrolled


def test_each_draw_searches_for_everybody_once():
    faces = people(10, 5)
    assert run(faces, Plan(draws=4)).searches == {"enrolled": 4 * 25, "strangers": 4 * 25}
    limited = run(faces, Plan(draws=4, samples=2))
    assert limited.searches == {"enrolled": 4 * 15, "strangers": 4 * 25}  # the enrolled two are not searched for
    assert limited.enrolled == {"people": 5, "faces": 10}
    assert run(faces, Plan(draws=4, samples=9)).searches == {"enrolled": 100, "strangers": 100}
    mostly = run(faces, Plan(draws=1, strangers=0.99))
    assert mostly.enrolled["people"] == 3  # fewer have no impostors to be measured by


def test_people_with_one_photo_take_part_but_are_not_searched_for():
    faces = people(12, 3)
    kept = np.flatnonzero((np.arange(36) % 3 == 0) | (np.arange(36) >= 12))  # one photo of each of the first four
    result = run(faces.of(kept), Plan(draws=6))
    assert result.people == 12 and result.faces == 28
    assert "Of 4 of the people there is one photo." in result.notes[0]
    assert result.searches["enrolled"] % 3 == 0
    for found in result.policies:
        assert all(np.isfinite([at.threshold, at.fnir.value]).all() for at in found.at_fpir)


def test_the_seed_decides_everything():
    faces = people(16, 3, spread=0.5)
    first, again, other = (run(faces, Plan(draws=5, seed=seed)).as_dict() for seed in (1, 1, 2))
    assert first == again
    assert first["policies"] != other["policies"]


def test_the_order_of_the_faces_and_what_people_are_called_do_not_matter():
    faces = people(16, 3, spread=0.5)
    numbered = LabelledFaces(np.repeat(np.arange(16), 3), faces.samples, faces.probes, faces.metric)
    assert run(faces).as_dict() == run(numbered).as_dict()


def test_a_better_policy_is_told_from_one_that_is_not():
    faces = people(40, 4, spread=0.3, seed=5)
    random = np.random.default_rng(0)

    def noisy(gallery):
        scores = policies.nearest(gallery)
        return scores + random.normal(size=scores.shape) * 0.5

    result = run(faces, Plan(draws=10), policies={"noisy": noisy, "nearest": policies.nearest})
    noise, near = result.policies
    assert noise.at_fpir[1].difference is None
    found = near.at_fpir[1].difference
    assert found.value == pytest.approx(near.at_fpir[1].fnir.value - noise.at_fpir[1].fnir.value, abs=2e-6)
    assert found.high < 0 and verdict({"low": found.low, "high": found.high}) == "better"
    same = run(faces, Plan(draws=3), policies={"nearest": policies.nearest, "again": policies.nearest})
    assert [(at.difference.low, at.difference.high) for at in same.policies[1].at_fpir] == [(0, 0)] * 2
    assert verdict({"low": 0, "high": 0}) is None and verdict({"low": 0.1, "high": 0.2}) == "worse"


def test_a_large_set_is_cut_to_people_drawn_at_random(monkeypatch):
    monkeypatch.setattr(open_set, "MOST_FACES", 60)
    monkeypatch.setattr(open_set, "MOST_OF_ONE", 5)
    faces = people(30, 4)
    faces.people[:12] = "person 000"  # twelve faces, of which five count
    result = run(faces)
    assert 50 < result.faces <= 60 and result.people >= 12
    assert result.notes[0].startswith(f"{result.faces} of 120 faces were compared, those of {result.people} people")


@pytest.mark.parametrize(
    ("faces", "plan", "says"),
    [
        (people(7, 3), Plan(), "faces of 7 people, but searches with strangers need at least 8"),
        (people(12, 1), Plan(), "Nobody has two photos"),
        (people(12, 2), Plan(strangers=0), "between 0 and 1"),
        (people(12, 2), Plan(strangers=1), "between 0 and 1"),
        (people(12, 2), Plan(strangers=math.nan), "between 0 and 1"),
        (people(12, 2), Plan(draws=0), "at least one draw"),
        (people(12, 2), Plan(samples=0), "one sample"),
        (people(12, 2), Plan(seed=-1), "0 or more"),
    ],
)
def test_what_cannot_be_evaluated_is_said(faces, plan, says):
    with pytest.raises(SetError, match=says):
        run(faces, plan)


def test_nobody_enrolled_can_be_searched_for():
    faces = people(40, 2).of(np.array([0, 1, *range(2, 80, 2)]))  # one person of 40 has two photos
    with pytest.raises(SetError, match="Give more photos of each person"):
        run(faces, Plan(draws=1, strangers=0.9, seed=1))


def test_figures_and_chart_show_every_policy():
    values = run(people(16, 3, spread=0.6), Plan(draws=5), threshold=lambda faces: 0.8).as_dict()
    figures = dict(figures_of(values))
    assert figures["People"] == "16, with 48 faces"
    assert figures["Gallery of a draw"] == "8 people with 24 faces; 8 people are strangers"
    assert figures["At the platform’s threshold"].startswith("0.8000: FPIR ")
    assert "6. s-norm, means alone: FNIR at FPIR 0.1" in figures
    chart = det_chart(values)
    assert all(f'class="line {kind}" points=' in chart for kind in ("first", "second", "sixth"))
    rows = values["det"]["nearest"]
    assert [row[0] for row in rows] == sorted(row[0] for row in rows) and rows[-1][0] == 1
    assert all(before[1] >= after[1] for before, after in itertools.pairwise(rows))
