"""Nets of the architecture of MiniFASNetV2 and MiniFASNetV1SE with seeded weights, in the files that torch.save writes.

They know nothing of faces; what they compute was computed by PyTorch from the same files, see the test's golden numbers.
"""

import hashlib
import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

V2 = [32, 32, 103, 103, 64, 13, 13, 64, 13, 13, 64, 13, 13, 64, 13, 13, 64, 231, 231, 128, 231, 231, 128, 52, 52, 128, 26, 26,
      128, 77, 77, 128, 26, 26, 128, 26, 26, 128, 308, 308, 128, 26, 26, 128, 26, 26, 128, 512, 512]  # fmt: skip
V1 = [32, 32, 103, 103, 64, 13, 13, 64, 26, 26, 64, 13, 13, 64, 52, 52, 64, 231, 231, 128, 154, 154, 128, 52, 52, 128, 26, 26,
      128, 52, 52, 128, 26, 26, 128, 26, 26, 128, 308, 308, 128, 26, 26, 128, 26, 26, 128, 512, 512]  # fmt: skip
FILES = {"2.7_80x80_MiniFASNetV2.pth": (V2, False), "4_0_0_80x80_MiniFASNetV1SE.pth": (V1, True)}
FAKE, REAL = 0, 1  # classes that the nets tell apart
Weights = dict[str, np.ndarray]


def write_files(folder: Path, *, towards: int | None = None) -> None:
    """Writes both nets under their published names: one in today's format, one in that of before 1.6.

    towards: a class that they take every face for.
    """
    for seed, (name, (channels, excited)) in enumerate(FILES.items()):
        made = weights(channels, excited=excited, seed=seed)
        if towards is not None:
            _lean(made, towards)
        (write_zip if seed == 0 else write_pickles)(folder / name, made)


def weights(channels: list[int], *, excited: bool, seed: int) -> Weights:
    """By the names that the published files have. excited: whether the last block of each chain has a squeeze-and-excitation."""
    random = np.random.RandomState(seed)
    made: Weights = {}
    _unit(made, random, "conv1", 3, channels[0], 3)
    _unit(made, random, "conv2_dw", 1, channels[1], 3)
    at = 1
    for stage, count in (("conv_23", 0), ("conv_3", 4), ("conv_34", 0), ("conv_4", 6), ("conv_45", 0), ("conv_5", 2)):
        for number in range(count or 1):
            name = f"{stage}.model.{number}" if count else stage
            _block(made, random, name, channels[at : at + 4])
            if excited and count and number == count - 1:
                _excitation(made, random, f"{name}.se_module", channels[at + 3])
            at += 3
    _unit(made, random, "conv_6_sep", channels[46], channels[47], 1)
    _unit(made, random, "conv_6_dw", 1, channels[48], 5, prelu=False)
    made["linear.weight"] = random.normal(0, 0.02, (128, 512))
    _norm(made, random, "bn", 128)
    made["prob.weight"] = random.normal(0, 0.03, (3, 128))
    return {f"module.{name}": values.astype("float32") for name, values in made.items()}


def _block(made: Weights, random: np.random.RandomState, name: str, channels: list[int]) -> None:
    _unit(made, random, f"{name}.conv", channels[0], channels[1], 1)
    _unit(made, random, f"{name}.conv_dw", 1, channels[2], 3)
    _unit(made, random, f"{name}.project", channels[2], channels[3], 1, prelu=False)


def _excitation(made: Weights, random: np.random.RandomState, name: str, channels: int) -> None:
    made[f"{name}.fc1.weight"] = random.normal(0, 0.2, (channels // 4, channels, 1, 1))
    _norm(made, random, f"{name}.bn1", channels // 4)
    made[f"{name}.fc2.weight"] = random.normal(0, 0.3, (channels, channels // 4, 1, 1))
    _norm(made, random, f"{name}.bn2", channels)


def _unit(
    made: Weights, random: np.random.RandomState, name: str, of: int, to: int, kernel: int, *, prelu: bool = True
) -> None:
    spread = 0.9 / np.sqrt(of * kernel * kernel) / (100 if name == "conv1" else 1)  # pixels are 0 to 255
    made[f"{name}.conv.weight"] = random.normal(0, spread, (to, of, kernel, kernel))
    _norm(made, random, f"{name}.bn", to)
    if prelu:
        made[f"{name}.prelu.weight"] = random.uniform(-0.4, 1.2, to)


def _norm(made: Weights, random: np.random.RandomState, name: str, channels: int) -> None:
    made[f"{name}.weight"] = random.uniform(0.7, 1.3, channels)
    made[f"{name}.bias"] = random.normal(0, 0.2, channels)
    made[f"{name}.running_mean"] = random.normal(0, 0.2, channels)
    made[f"{name}.running_var"] = random.uniform(0.5, 1.5, channels)


def _lean(made: Weights, towards: int) -> None:
    """The class is given what the last BatchNorm adds, whatever comes in; the others the opposite."""
    shift = made["module.bn.bias"] = np.ones(128, "float32")
    made["module.linear.weight"] *= 1e-3
    made["module.bn.running_mean"] *= 0
    made["module.prob.weight"] = np.stack([shift * (0.1 if number == towards else -0.1) for number in range(3)])


# --- torch's formats --------------------------------------------------------------------------------------------------
def write_pickles(
    path: Path, made: Weights, *, names: tuple[str, str] = ("torch._utils", "_rebuild_tensor_v2")
) -> None:
    """As torch wrote before 1.6. names: of the function that builds a tensor."""
    with path.open("wb") as file:
        for content in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True, "protocol_version": 1001}):
            pickle.dump(content, file, protocol=2)
        _dump(file, made, names, view=(None,))
        pickle.dump([str(number) for number in range(len(made))], file, protocol=2)
        for values in made.values():
            file.write(values.size.to_bytes(8, "little"))
            file.write(values.astype("<f4").tobytes())


def write_zip(path: Path, made: Weights, *, names: tuple[str, str] = ("torch._utils", "_rebuild_tensor_v2")) -> None:
    """As torch writes since 1.6."""
    listing = io.BytesIO()
    _dump(listing, made, names)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", listing.getvalue())
        for number, values in enumerate(made.values()):
            archive.writestr(f"archive/data/{number}", values.astype("<f4").tobytes())
        archive.writestr("archive/version", "3\n")


class _Tensor:
    def __init__(self, number: int, values: np.ndarray, build: object):
        self.number, self.values, self.build = number, values, build

    def __reduce__(self):
        strides = tuple(stride // self.values.itemsize for stride in np.ascontiguousarray(self.values).strides)
        return self.build, (_Storage(self.number, self.values), 0, self.values.shape, strides, False, OrderedDict())


class _Storage:
    def __init__(self, number: int, values: np.ndarray):
        self.number, self.values = number, values


def _dump(file, made: Weights, names: tuple[str, str], view: tuple = ()) -> None:
    with _as_if_torch(names) as (kind, build):

        class Pickler(pickle.Pickler):
            def persistent_id(self, thing):
                if not isinstance(thing, _Storage):
                    return None
                return ("storage", kind, str(thing.number), "cpu", thing.values.size, *view)

        tensors = {name: _Tensor(number, values, build) for number, (name, values) in enumerate(made.items())}
        Pickler(file, protocol=2).dump(OrderedDict(tensors))


@contextmanager
def _as_if_torch(names: tuple[str, str]) -> Iterator[tuple[type, object]]:
    """The names that torch's pickles hold, importable while they are written. torch itself is not needed."""
    kind = type("FloatStorage", (), {"__module__": "torch"})
    build = types.FunctionType((lambda *parts: None).__code__, {}, names[1])
    build.__module__, build.__qualname__ = names
    modules = {"torch": types.ModuleType("torch"), names[0]: types.ModuleType(names[0])}
    setattr(modules["torch"], "FloatStorage", kind)  # noqa: B010 - a module made here has no such attribute for type checkers
    setattr(modules[names[0]], names[1], build)
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield kind, build
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def entry_of(folder: Path, entry: dict, *, address: str = "") -> dict:
    """The catalogue's entry, for the files that were written into `folder`: their sha256, and their address if given."""
    sources = []
    for source in entry["sources"]:
        digest = hashlib.sha256((folder / source["file"]).read_bytes()).hexdigest()
        sources.append(source | {"sha256": digest, "url": f"{address}/{source['file']}"})
    return entry | {"sources": sources}
