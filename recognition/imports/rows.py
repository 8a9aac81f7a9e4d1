"""What an import is made of: a row for each file, and where rows come from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol


class SourceLost(Exception):
    """The source can no longer be reached. The import fails, and continues from there when it is resumed."""


class LeftOut(Exception):
    """The file is nobody's photo, and nothing is wrong with that. code, message: why, for the report."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A photo to enrol, or a file that is to be in the report all the same.

    path: the photo's place in the source, unique in it. key: the person's external id, by which a second run finds the
    person again. read: returns the photo's bytes; raises InvalidInput, LeftOut or SourceLost.
    """

    path: str
    key: str
    name: str
    read: Callable[[], bytes]
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def photo_name(self) -> str:
        return PurePosixPath(self.path).name


class Source(Protocol):
    """Where the photos of an import come from."""

    def rows(self) -> Iterator[SourceRow]:
        """The photos, with the same paths at every call. Raises InvalidInput, SourceLost."""

    def count(self) -> int:
        """How many rows there are; 0 if none of them is a photo of anybody. Raises InvalidInput, SourceLost."""


def left_out(path: str, code: str, message: str) -> SourceRow:
    """A row for a file that is nobody's photo."""
    return failing(path, LeftOut(code, message))


def failing(path: str, error: Exception) -> SourceRow:
    """A row for a file that belongs to nobody, with the error that says why."""

    def read() -> bytes:
        raise error

    return SourceRow(path, "", "", read)
