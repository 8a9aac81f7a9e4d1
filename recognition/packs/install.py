"""Installing a pack: fetch its published sources, check each, convert, and move the whole into place."""

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

from recognition.engine.manifest import Manifest, PackError, sha256_of, verify_pack, write_manifest
from recognition.packs.fetch import fetch

CATALOGUE = Path(__file__).resolve().parents[2] / "models" / "catalogue.toml"
Say = Callable[[str], None]
Accept = Callable[[str], bool]


def catalogue() -> dict[str, dict]:
    """The known packs by name."""
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
    """Installs the pack `name` into models_dir/name, unless it is there and whole. Raises PackError.

    source: a folder with the published packages or the weight files themselves, for machines without internet; or one
    such file, beside which the rest is fetched. accept: asked, with the licence, where that restricts use. Nothing is
    left half-installed, and two installations at once do not disturb each other.
    """
    entry = catalogue().get(name)
    if entry is None:
        raise PackError(f"There is no pack “{name}”. Known: {', '.join(catalogue())}.")
    models_dir.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(models_dir):
        if not force and _is_whole(models_dir / name):
            return models_dir / name
        if not entry["commercial_use"] and not accept(entry["licence"]):
            raise PackError(
                f"The licence of {name} restricts its use: {entry['licence']}. Read it{_at(entry)}; if you may use the "
                "pack, run the command again with --accept-licence."
            )
        with tempfile.TemporaryDirectory(dir=models_dir, prefix=".install-") as scratch:
            files = _sources(entry, Path(scratch), models_dir / ".downloads", source, progress)
            progress(f"Converting {name} to MXNet …")
            made = Path(scratch) / "pack"
            made.mkdir()
            _convert(name, entry, files, made)
            replace_folder(made, models_dir / name)
        shutil.rmtree(models_dir / ".downloads", ignore_errors=True)
    progress(f"Installed the model pack {name} ({entry['licence']}).")
    return models_dir / name


def _convert(name: str, entry: dict, files: dict[str, Path], folder: Path) -> None:
    written = [file for part in ("detector", "embedder") for file in _convert_part(part, entry, files, folder)]
    facts = {key: value for key, value in entry.items() if key != "page"}
    write_manifest(Manifest(name=name, files={file: sha256_of(folder / file) for file in written}, **facts), folder)
    verify_pack(folder)


def _convert_part(part: str, entry: dict, files: dict[str, Path], folder: Path) -> list[str]:
    """By what its files are: dlib's, the package mtcnn's, or ONNX."""
    from recognition.packs import convert_dlib, convert_mtcnn, import_onnx

    paths = {source["file"]: files[source["file"]] for source in entry["sources"] if source["part"] == part}
    suffix = PurePosixPath(next(iter(paths))).suffix
    if suffix == ".lz4":
        return convert_mtcnn.convert({PurePosixPath(file).stem: path for file, path in paths.items()}, folder)
    [path] = paths.values()
    if suffix == ".dat":
        return convert_dlib.convert(path, folder)
    if part == "detector":
        return save_graph(import_onnx.scrfd_graph(path), folder, "detector")
    graph, _ = import_onnx.embedder_graph(path)
    return save_graph(graph, folder, "embedder")


def save_graph(graph, folder: Path, net: str) -> list[str]:
    """Writes a graph's symbol and params; returns the file names."""
    from recognition.engine.mxnet_runtime import import_mxnet, save_net

    graph.drop_unused_params()
    return save_net(graph.to_symbol(import_mxnet()), graph.params, folder, net)


def _at(entry: dict) -> str:
    return f" at {entry['page']}" if "page" in entry else ""


def _sources(entry: dict, scratch: Path, downloads: Path, given: Path | None, progress: Say) -> dict[str, Path]:
    """Every source file, by its name in its package, with its sha256 checked before anybody reads it."""
    wanted = entry["sources"]
    places = [given] if given else []
    if given is None or given.is_file():
        places += _installed_packages([source for source in wanted if "package" in source])
    found = {}
    for source in wanted:
        path = _find(source["file"], places, scratch) or _obtain(source, entry, scratch, downloads, given, progress)
        if sha256_of(path) != source["sha256"]:
            raise PackError(f"{path.name} is not the published file: its sha256 differs. Fetch it again.")
        found[source["file"]] = path
    return found


def _obtain(source: dict, entry: dict, scratch: Path, downloads: Path, given: Path | None, progress: Say) -> Path:
    """A source that is not there yet. A folder given must hold all; beside a file given the rest is fetched."""
    if given and given.is_dir():
        raise PackError(f"{source['file']} is not in {given}.")
    if "url" in source:
        progress(f"Fetching {source['url']} …")
        return fetch(source["url"], downloads, source["sha256"], progress)
    if "package" not in source:
        raise PackError(
            f"{source['file']} has no address to download it from. Fetch it{_at(entry)} and run: "
            "manage.py packs install NAME --from FILE"
        )
    path = _find(source["file"], [_download(source, scratch, progress)], scratch)
    if path is None:
        raise PackError(f"{source['file']} is not in the package {source['package']} {source['version']}.")
    return path


def _installed_packages(wanted: list[dict]) -> list[Path]:
    """Folders of the source packages that happen to be installed. They are located, never imported."""
    modules = {PurePosixPath(source["file"]).parts[0] for source in wanted}
    specs = [find_spec(module) for module in modules]
    return [Path(spec.origin).parent.parent for spec in specs if spec and spec.origin]


def _download(source: dict, scratch: Path, progress: Say) -> Path:
    """The folder with the package as published, fetched by pip where it is not there yet."""
    package = f"{source['package']}=={source['version']}"
    folder = scratch / package
    if folder.exists():
        return folder
    progress(f"Fetching {package} …")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--dest", str(folder), package]
    # pip's own progress bar goes to our standard output
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise PackError(
            f"{package} cannot be fetched:\n{done.stderr.strip()[-500:]}\n"
            "Without internet, fetch it elsewhere (pip download --no-deps) and run: "
            "manage.py packs install NAME --from FOLDER"
        )
    return folder


def _find(name: str, places: list[Path], scratch: Path) -> Path | None:
    """A source file in a folder, or inside a package file; out of an archive that one file alone is taken."""
    for place in places:
        direct = [place / name, place / PurePosixPath(name).name, place]
        if hit := next((path for path in direct if path.is_file() and path.name == PurePosixPath(name).name), None):
            return hit
        for archive in [place] if place.is_file() else sorted(place.glob("*.tar.gz")) + sorted(place.glob("*.whl")):
            if hit := _extract(name, archive, scratch):
                return hit
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
    with tarfile.open(archive) as file:
        member = next((m for m in file if m.isfile() and m.name.partition("/")[2] == name), None)
        if member is None:
            return None
        with file.extractfile(member) as content, target.open("wb") as out:
            shutil.copyfileobj(content, out)
        return target


def _is_whole(pack_dir: Path) -> bool:
    try:
        verify_pack(pack_dir)
    except PackError:
        return False
    return True


def replace_folder(made: Path, target: Path) -> None:
    """Moves a finished pack into place; what was there goes away with the scratch folder that `made` lies in.

    Whoever may look into the folder of packs may read it, whatever the umask: workers may run as another user.
    """
    shared = target.parent.stat().st_mode & 0o055
    made.chmod(0o700 | shared)
    for path in made.iterdir():
        path.chmod(0o600 | shared & 0o044)
    old = made.with_name("old")
    if target.exists():
        target.rename(old)
    made.rename(target)


@contextmanager
def one_at_a_time(models_dir: Path) -> Iterator[None]:
    """Installations into one folder wait for each other."""
    with (models_dir / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
