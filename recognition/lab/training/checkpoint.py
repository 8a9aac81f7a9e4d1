"""A run on the disk: the arrays of a step with what was known at it, in one file that is whole or not there."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from recognition.lab.training.errors import TrainingError

FACTS = "facts"


def save_checkpoint(path: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Replaces `path` once all is on the disk; whatever happens before leaves the old file as it was.

    Raises TrainingError where an array is not finite, or the disk is full.
    """
    assert_numbers(path, arrays)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("wb") as file:
            _write(file, {FACTS: np.frombuffer(json.dumps(facts).encode(), "uint8")} | arrays)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise TrainingError(
            f"{path} cannot be written ({error.strerror}); the one from before is as it was. Make room, and run again "
            "with --resume."
        ) from error
    finally:
        scratch.unlink(missing_ok=True)


def assert_numbers(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Raises TrainingError where an array is not finite: it would not be kept as `path`."""
    if bad := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise TrainingError(
            f"The net has weights that are no numbers ({bad[0]}), so they are not kept; {path.name} is as it was. "
            "Lower --lr, or lengthen --warm-up, and run again with --resume."
        )


def _write(file: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """As np.savez, which leaves its archive open where the disk is full."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array(part, np.ascontiguousarray(array), allow_pickle=False)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the facts. Raises TrainingError."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(arrays.pop(FACTS).tobytes())
    except FileNotFoundError as error:
        raise TrainingError(f"There is no checkpoint {path}.") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} is no whole checkpoint ({error}). Take another, or train anew.") from error
