"""RecordIO, read and written by us and by MXNet; and clear errors for damaged sets."""

import struct

import numpy as np
import pytest

from recognition.engine.mxnet_runtime import import_mxnet
from recognition.lab.training.batches import Batches
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.faces import SomeFaces, UnusableFace, read_records, split_people, write_records
from recognition.lab.training.records import MAGIC_BYTES, RecordWriter, open_records, unpack_face
from recognition.lab.training.sampling import Sampler
from tests.training_tools import jpeg, patterns

PAYLOADS = [
    b"",
    b"a",
    MAGIC_BYTES,
    b"1234" + MAGIC_BYTES * 3 + b"5",
    b"1" + MAGIC_BYTES + b"234" + MAGIC_BYTES,
    b"x" * 999,
]


@pytest.fixture
def made(tmp_path):
    """Four people with three faces each, in InsightFace's layout."""
    chips, labels = patterns(4, 3, size=112, noise=5)
    write_records(tmp_path, [(int(label), jpeg(chip)) for chip, label in zip(chips, labels, strict=True)], 4)
    return tmp_path


def test_records_pass_both_ways_between_mxnet_and_us(tmp_path):
    recordio = import_mxnet(threads=1).recordio
    with RecordWriter(tmp_path / "ours.rec") as writer:
        for key, payload in enumerate(PAYLOADS):
            writer.write(key, payload)
    theirs = recordio.MXIndexedRecordIO(str(tmp_path / "ours.idx"), str(tmp_path / "ours.rec"), "r")
    assert [theirs.read_idx(key) for key in range(len(PAYLOADS))] == PAYLOADS
    theirs.close()
    other = recordio.MXIndexedRecordIO(str(tmp_path / "theirs.idx"), str(tmp_path / "theirs.rec"), "w")
    for key, payload in enumerate(PAYLOADS):
        other.write_idx(key, payload)
    other.close()
    assert (tmp_path / "theirs.rec").read_bytes() == (tmp_path / "ours.rec").read_bytes()
    records = open_records(tmp_path / "theirs.rec")
    assert [records.read(key) for key in range(len(PAYLOADS))] == PAYLOADS
    (tmp_path / "theirs.idx").unlink()
    assert open_records(tmp_path / "theirs.rec").offsets == records.offsets


def test_a_set_is_read_as_it_was_written(made):
    faces = read_records(made)
    chips, labels = patterns(4, 3, size=112, noise=5)
    assert (faces.classes, faces.labels.tolist()) == (4, labels.tolist())
    assert np.abs(faces.chip(5).astype(int) - chips[5]).mean() < 5
    header, payload = import_mxnet(threads=1).recordio.unpack(open_records(made / "train.rec").read(1))
    assert header.label == 0
    assert payload == jpeg(chips[0])
    ranges = [unpack_face(open_records(made / "train.rec").read(key))[0].tolist() for key in range(13, 17)]
    assert ranges == [[1, 4], [4, 7], [7, 10], [10, 13]]


def test_a_set_without_identity_records_is_read_too(made):
    with RecordWriter(made / "train.rec") as writer:
        for key in range(6):
            writer.write_face(key, [key // 3], b"x", flagged=key % 2 == 1)
    (made / "property").write_text("2,112,112")
    assert read_records(made).labels.tolist() == [0, 0, 0, 1, 1, 1]


def damage_cut(folder):
    whole = (folder / "train.rec").read_bytes()
    (folder / "train.rec").write_bytes(whole[: len(whole) // 2])


def damage_magic(folder):
    data = bytearray((folder / "train.rec").read_bytes())
    offset = open_records(folder / "train.rec").offsets[3]
    data[offset : offset + 4] = b"oops"
    (folder / "train.rec").write_bytes(data)


def damage_index(folder):
    (folder / "train.idx").write_text("no index")


def fewer_people(folder):
    (folder / "property").write_text("3,112,112")


def other_size(folder):
    (folder / "property").write_text("4,96,112")


def no_property(folder):
    (folder / "property").unlink()


def no_faces(folder):
    with RecordWriter(folder / "train.rec") as writer:
        writer.write_face(0, [1, 1], b"")


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (damage_cut, "cut off"),
        (damage_magic, "does not fit its index"),
        (damage_index, "is not an index"),
        (fewer_people, "says 3 people, but record 10 has the label 3"),
        (other_size, "the nets take 112x112"),
        (no_property, "should hold “people,112,112”"),
        (no_faces, "holds no faces"),
    ],
)
def test_damage_is_reported_before_a_training_starts(made, damage, match):
    damage(made)
    with pytest.raises(TrainingError, match=match):
        read_records(made)


def test_faces_that_cannot_be_decoded_are_replaced_and_recorded(made):
    images = [
        b"no image",
        b"",
        *[jpeg(chip) for chip in patterns(5, 2, size=112)[0]],
        jpeg(patterns(1, 1, size=96)[0][0]),
    ]
    write_records(made, [(number % 2, image) for number, image in enumerate(images)], 2)
    faces = read_records(made)
    for number, match in ((0, "no image that can be decoded"), (1, "decoded"), (12, "96x96 px")):
        with pytest.raises(UnusableFace, match=match):
            faces.chip(number)
    batches = Batches(faces, Sampler(faces.labels, batch=13, seed=0), seed=0, mirror=False)
    chips, labels = batches.at(0)
    assert set(batches.unusable) == {0, 1, 12}
    assert labels.tolist().count(0) == 8  # 0 and 1 became 2, 12 became 0, and so 2
    assert (chips.reshape(13, -1).std(1) > 0).all()


def test_a_set_of_nothing_but_damage_ends_the_training(made):
    write_records(made, [(number % 2, b"x") for number in range(8)], 2)
    faces = read_records(made)
    with pytest.raises(TrainingError, match=r"of 8 faces cannot be decoded"):
        Batches(faces, Sampler(faces.labels, batch=4, seed=0), seed=0).at(0)


def test_people_held_out_are_in_no_training(made):
    faces = read_records(made)
    learnt, apart = split_people(faces, 2, seed=1)
    assert (learnt.classes, apart.classes, len(learnt.labels), len(apart.labels)) == (2, 2, 6, 6)
    assert learnt.labels.tolist() == apart.labels.tolist() == [0, 0, 0, 1, 1, 1]
    seen = {some.chip(number).tobytes() for some in (learnt, apart) for number in range(6)}
    assert len(seen) == 12
    with pytest.raises(TrainingError, match="lower --hold-out"):
        split_people(faces, 3, seed=1)
    assert SomeFaces(faces, np.array([3])).chip(0).tobytes() == faces.chip(9).tobytes()


def test_labels_of_records_are_packed_as_mxnet_packs_them(tmp_path):
    with RecordWriter(tmp_path / "a.rec") as writer:
        writer.write_face(0, [1.5], b"jpeg")
        writer.write_face(1, [1.0, 2.0], b"jpeg")
    recordio = import_mxnet(threads=1).recordio
    records = open_records(tmp_path / "a.rec")
    assert recordio.pack(recordio.IRHeader(0, 1.5, 0, 0), b"jpeg") == records.read(0)
    assert recordio.pack(recordio.IRHeader(2, [1.0, 2.0], 1, 0), b"jpeg") == records.read(1)
    with pytest.raises(struct.error):
        unpack_face(b"short")
