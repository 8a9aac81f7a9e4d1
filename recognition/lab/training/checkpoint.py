"""Checkpoints of a run: its arrays and facts in one file, which is either complete or not there."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from recognition.lab.training.errors import TrainingError

FACTS = "facts"


def save_checkpoint(path: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Replaces `path` once everything is on disk; if anything fails before that, the old file stays.

    facts: anything that JSON can hold. Raises TrainingError if an array is not finite or the file cannot be written.
    """
    assert_finite(path, arrays)
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
            f"{path} cannot be written ({error.strerror}); the checkpoint before it is kept. Free some space, then run "
            "again with --resume."
        ) from error
    finally:
        scratch.unlink(missing_ok=True)


def assert_finite(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Raises TrainingError if an array is not finite. path: where the arrays would have been saved."""
    if infinite := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise TrainingError(
            f"The net has weights that are not finite numbers ({infinite[0]}), so they are not saved; {path.name} is "
            "unchanged. Lower --lr or lengthen --warm-up, then run again with --resume."
        )


def _write(file: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """Writes what np.savez would. np.savez itself leaves its archive open when the disk is full."""
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
    """A checkpoint's arrays and facts. Raises TrainingError."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(arrays.pop(FACTS).tobytes())
    except FileNotFoundError as error:
        raise TrainingError(f"There is no checkpoint {path}.") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} is not a complete checkpoint ({error}). Use another, or train again.") from error
