"""Has damaged files read by the platform's own readers, in this process: python -m tests.hardening.campaign.readers

It prints a line with each input's number before it is read, so that a crash can be told, and JSON at the end.
"""

import argparse
import contextlib
import io
import json
import os
import random
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
os.environ.setdefault("FACEPLATFORM_RUNTIME", "mxnet")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as for all tests: their helpers import each other so

from faceplatform.errors import DomainError
from recognition.engine import image
from recognition.engine.base import PhotoError
from recognition.engine.manifest import PackError, verify_pack
from recognition.imports.rows import LeftOut, SourceLost
from recognition.imports.sources import FileSource
from recognition.imports.tables import read_table, table_rows
from recognition.lab.evaluation.sets import SetError, read_bin
from recognition.packs import import_mxnet, import_onnx
from tests.hardening.campaign import seeds
from tests.hardening.campaign.mutants import mutant

TYPED = (PhotoError, DomainError, PackError, SetError, LeftOut, SourceLost)
MOST_ROWS = 50  # read of one archive
KEPT = 20  # of the faults that are told


def read_photo(data: bytes, folder: Path) -> None:
    image.inspect(data)
    image.decode_reduced(data, 640)


def read_archive(data: bytes, folder: Path) -> None:
    for number, row in enumerate(FileSource(io.BytesIO(data)).rows()):
        if number < MOST_ROWS:
            try:
                row.read()
            except TYPED:
                continue  # this row's, which the report says


def read_table_of(data: bytes, folder: Path) -> None:
    list(table_rows(read_table(data, "people.csv"), lambda path: b""))


def read_pickle_of(data: bytes, folder: Path) -> None:
    path = folder / "set.bin"
    path.write_bytes(data)
    found = read_bin(path)
    for number in range(len(found.images)):
        with contextlib.suppress(ValueError):  # this image's, which is then left out
            found.images.read(number)


def read_net(symbol: bytes, params: bytes, folder: Path) -> None:
    (folder / "model-symbol.json").write_bytes(symbol)
    (folder / "model-0000.params").write_bytes(params)
    import_mxnet.embedder_graph(folder)


def read_symbol(data: bytes, folder: Path) -> None:
    read_net(data, seeds.nets()[1]["net"], folder)


def read_params(data: bytes, folder: Path) -> None:
    read_net(seeds.nets()[0]["net"], data, folder)


def read_onnx(data: bytes, folder: Path) -> None:
    path = folder / "net.onnx"
    path.write_bytes(data)
    import_onnx.embedder_graph(path)


def read_manifest(data: bytes, folder: Path) -> None:
    (folder / "manifest.json").write_bytes(data)
    manifest = verify_pack(folder)
    manifest.size_threshold(100)
    manifest.advised_faces()


# Kind → what is damaged, who reads it, and how often it is drawn.
KINDS: dict[str, tuple[Callable[[], seeds.Files], Callable[[bytes, Path], None], int]] = {
    "photo": (seeds.photos, read_photo, 8),
    "archive": (seeds.archives, read_archive, 4),
    "table": (seeds.tables, read_table_of, 1),
    "pickle": (seeds.pickles, read_pickle_of, 3),
    "symbol": (lambda: seeds.nets()[0], read_symbol, 2),
    "params": (lambda: seeds.nets()[1], read_params, 2),
    "onnx": (lambda: seeds.nets()[2], read_onnx, 2),
    "manifest": (seeds.manifests, read_manifest, 3),
}


def inputs(seed: int, count: int, only: str | None = None):
    """So many (kind, name, data): first every seed as it is, then damaged ones by lot."""
    chance, kinds = random.Random(seed), [only] if only else list(KINDS)
    whole = [(kind, name, data) for kind in kinds for name, data in KINDS[kind][0]().items()]
    yield from whole[:count]
    for _ in range(count - len(whole)):
        [kind] = chance.choices(kinds, [KINDS[kind][2] for kind in kinds])
        name, data = chance.choice(list(KINDS[kind][0]().items()))
        yield kind, name, mutant(data, chance)


def main(seed: int, count: int, only: str | None) -> None:
    import django

    django.setup()
    answers, untyped, sizes = Counter[str](), [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, (kind, name, data) in enumerate(inputs(seed, count, only)):
            print(number, kind, name, flush=True)
            word = outcome(kind, data, Path(folder))
            answers[f"{kind}: {word if word in ('read', 'refused') else 'untyped'}"] += 1
            if word not in ("read", "refused") and len(untyped) < KEPT:
                untyped.append(f"{number} {kind} {name}: {word}")
            if number % max(1, count // 20) == 0:
                sizes.append((megabytes(), len(os.listdir("/proc/self/fd"))))  # noqa: PTH208
    peak = peak_megabytes()
    print(json.dumps({"answers": answers, "untyped": untyped, "sizes": sizes, "peak": peak}))


def outcome(kind: str, data: bytes, folder: Path) -> str:
    for path in folder.iterdir():
        path.unlink()
    try:
        KINDS[kind][1](data, folder)
    except TYPED:
        return "refused"
    except Exception as error:  # noqa: BLE001  # that is what is looked for
        return f"{type(error).__name__}: {str(error)[:200]}"
    return "read"


def megabytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20


def peak_megabytes() -> int:
    """Of this program: what getrusage says begins with the peak of the process that started it."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) >> 10


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--only", choices=KINDS)
    given = parser.parse_args()
    main(given.seed, given.count, given.only)
