"""Published sets are read. Everything else is refused, and nothing in it is run."""

import os
import pickle
import pickletools
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verification_sets import jpeg, tile, write_bin

from recognition.lab.evaluation.sets import SetError, read_bin
from recognition.lab.evaluation.unpickle import PickleRefused, read_pickle

ROOT = Path(__file__).resolve().parents[4]
JPEGS = [jpeg(tile(number, 0)) for number in range(4)]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "form",
    [bytes, lambda data: np.frombuffer(data, "uint8"), lambda data: np.frombuffer(data, "uint8")[:, None]],
    ids=["bytes", "array", "column"],
)
def test_every_python_3_protocol(tmp_path, protocol, form):
    found = read_bin(write_bin(tmp_path / "set.bin", [form(data) for data in JPEGS], [True, False], protocol))
    assert [bytes(found.images.read(number)) for number in range(4)] == JPEGS
    assert found.same.tolist() == [True, False]
    assert found.aligned and found.first.tolist() == [0, 2] and found.second.tolist() == [1, 3]


def python_2(images: list[bytes], same: list[bool]) -> bytes:
    """As cPickle of Python 2 writes it under protocol 2: BINSTRING, which Python 3 no longer writes."""
    strings = b"".join(b"T" + struct.pack("<i", len(data)) + data + b"q\x05" for data in images)
    flags = b"".join(b"\x88" if flag else b"\x89" for flag in same)
    return b"\x80\x02]q\x01(" + strings + b"e]q\x02(" + flags + b"e\x86q\x03."


def test_python_2(tmp_path):
    data = python_2(JPEGS, [False, True])
    assert pickle.loads(data, encoding="bytes") == (JPEGS, [False, True])
    (tmp_path / "set.bin").write_bytes(data)
    found = read_bin(tmp_path / "set.bin")
    assert [found.images.read(number) for number in range(4)] == JPEGS
    assert found.same.tolist() == [False, True]


def test_pixels_numpy_flags_and_repeated_images(tmp_path):
    images = [tile(1, 0), tile(2, 0), tile(1, 0), JPEGS[0], JPEGS[0], JPEGS[0][:]]
    found = read_bin(write_bin(tmp_path / "set.bin", images, list(np.array([True, False, True]))))
    assert found.same.tolist() == [True, False, True]
    assert (found.first.tolist(), found.second.tolist()) == ([0, 0, 2], [1, 2, 2])
    assert len(found.images) == 3 and (found.images.read(1) == tile(2, 0)).all()
    array = read_bin(write_bin(tmp_path / "set.bin", images, np.array([1, 0, 1])))
    assert array.same.tolist() == [True, False, True]


def test_the_published_file(faces_dir):
    path = faces_dir.parent / "eval" / "small_lfw.bin"
    images, same = pickle.loads(path.read_bytes())
    found = read_bin(path)
    assert found.same.tolist() == same
    for numbers, start in ((found.first, 0), (found.second, 1)):
        assert [found.images.read(n) for n in numbers] == [image.tobytes() for image in images[start::2]]


class Attack:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "hostile",
    [
        Attack(os.system, "touch ATTACKED"),
        Attack(eval, "open('ATTACKED', 'w')"),
        Attack(__import__, "os"),
        Attack(np.zeros, (10**12,)),
        np.array(["a"], dtype=object),
        np.zeros((2, 2), "float64"),
        {"images": 1},
        [[b"nested"]],
        2.5,
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_of_an_attack_runs(tmp_path, monkeypatch, hostile, protocol):
    monkeypatch.chdir(tmp_path)
    write_bin(tmp_path / "set.bin", [hostile, JPEGS[0]], [True], protocol)
    with pytest.raises(SetError, match="Fetch it again"):
        read_bin(tmp_path / "set.bin")
    assert not (tmp_path / "ATTACKED").exists()


def array_of(shape: tuple) -> bytes:
    """A pickle of an array that claims to have `shape` but holds one byte."""
    made = pickletools.optimize(pickle.dumps(np.zeros(1, "uint8"), protocol=2))
    state = pickletools.optimize(pickle.dumps(shape, protocol=2))[2:-1]
    at = made.index(b"K\x01\x85")
    return made[:at] + state + made[at + 3 :]


BOMBS = {
    "a memo of 2^32 entries": b"\x80\x02]r\xff\xff\xff\xff.",
    "a string of 2^63 bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"x.",
    "a string of minus one byte": b"\x80\x02T" + struct.pack("<i", -1) + b"x.",
    "an array of 10^12 bytes": array_of((10**12,)),
    "an array of minus sizes": array_of((-1, -1)),
    "lists in lists": b"\x80\x04]\x94(" + b"]h\x00" * 50_000 + b"e.",
    "a million lists": b"\x80\x04" + b"]" * 1_000_000 + b".",
    "a million memos": b"\x80\x04]" + b"\x94" * 1_000_000 + b".",
    "a million strings": b"\x80\x04]" + b"U\x00a" * 1_000_000 + b".",
    "a million numbers": b"\x80\x04]" + b"M\xff\xffa" * 1_000_000 + b".",
    "an integer of 2^31 digits": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"1.",
    "nothing": b".",
    "no stack": b"\x80\x02\x87.",
    "a memo that is not there": b"\x80\x02h\x05.",
    "a mark that is not there": b"\x80\x02e.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(tmp_path, name):
    (tmp_path / "set.bin").write_bytes(BOMBS[name])
    with pytest.raises(SetError):
        read_bin(tmp_path / "set.bin")


def test_an_image_named_two_hundred_thousand_times_is_hashed_once(tmp_path):
    """The file has 1.4 MB. If its image of 1 MB were hashed each time, that would be 200 GB."""
    image = np.frombuffer(bytes(1_000_000), "uint8")
    found = read_bin(write_bin(tmp_path / "set.bin", [image] * 200_000, [True] * 100_000))
    assert len(found) == 100_000 and len(found.images) == 1
    assert not found.first.any() and not found.second.any()


def test_bombs_take_no_memory():
    """The process's peak stays small, where Python's own unpickler would take gigabytes."""
    code = (
        "import resource, sys; sys.path[:0] = ['tests', 'tests/recognition/lab/evaluation', '.']\n"
        "import test_unpickle as t\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for bomb in t.BOMBS.values():\n"
        "    try: t.read_pickle(bomb)\n"
        "    except t.PickleRefused: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 64 * 1024


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    with suppress(PickleRefused):
        read_pickle(data)


@settings(deadline=None)
@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_set_with_one_byte_changed_is_read_or_refused(tmp_path_factory, place, value):
    whole = bytearray(pickle.dumps(([np.frombuffer(b"\xff\xd8" * 9, "uint8")] * 2 + [b"\xff\xd8"] * 2, [True, False])))
    whole[place % len(whole)] = value
    path = tmp_path_factory.mktemp("changed") / "set.bin"
    path.write_bytes(whole)
    with suppress(SetError):
        read_bin(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated(tmp_path, share):
    whole = pickle.dumps((JPEGS, [True, False]), protocol=4)
    (tmp_path / "set.bin").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SetError, match=r"ends too early|empty"):
        read_bin(tmp_path / "set.bin")


def test_flags_in_an_array_that_is_never_filled_are_refused(tmp_path):
    array = b"cnumpy.core.multiarray\n_reconstruct\nNNN\x87R"
    (tmp_path / "set.bin").write_bytes(b"\x80\x02]" + array + b"\x86.")
    with pytest.raises(SetError, match="an array in it is damaged"):
        read_bin(tmp_path / "set.bin")


@pytest.mark.parametrize("images, same", [(JPEGS, [True]), ([], []), (JPEGS[:3], [True]), (JPEGS, ["yes", "no"])])
def test_images_and_flags_that_do_not_match(tmp_path, images, same):
    with pytest.raises(SetError, match=r"damaged|not booleans"):
        read_bin(write_bin(tmp_path / "set.bin", images, same))
