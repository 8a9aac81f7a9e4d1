"""Whose photo a file is, where there is a folder per person. The rules are the same for a folder and a ZIP.

A file is a photo by its content; its name only saves looking. The people's folders all lie at one level: that of the highest
folder with a photo in it. A folder around all of them, as programs put it into a ZIP, does not count. Every file becomes a row:
what is nobody's photo as well, with the reason.
"""

from collections.abc import Iterable, Iterator, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from faceplatform.errors import InvalidInput
from faceplatform.text import storable
from recognition.engine.formats import HEAD, foreign, sniff
from recognition.imports.files import File
from recognition.imports.leftovers import left_by
from recognition.imports.paths import require_inside
from recognition.imports.rows import LeftOut, SourceRow, failing, left_out

# Files with these names are taken for photos until they are read, so that a large ZIP need not be read twice.
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".heic", ".heif", ".hif", ".avif", ".jp2", ".ico", ".pgm", ".ppm",
)  # fmt: skip
BESIDE = gettext_noop("The photo lies beside the people's folders. Put it into the folder of the person it shows.")
TOO_DEEP = gettext_noop(
    "The photo lies deeper than the people's folders: nobody can be sure whose it is. Put it into the person's own folder."
)


def person_name(folder: str) -> str:
    """The folder's name as it is written, with spaces for underscores: “Alex_Lacamoire” → Alex Lacamoire; “amy” stays."""
    return " ".join(folder.replace("_", " ").split()) or folder


def without_leftovers(files: Iterable[File]) -> tuple[list[File], list[SourceRow]]:
    """The files that somebody may have meant, and rows for all others: left behind by a system, or outside."""
    meant, rows = [], []
    for file in files:
        if system := left_by(file.path):
            why = _("%(system)s has left this file behind: it is no photo.") % {"system": system}
            rows.append(left_out(file.path, "system_file", why))
            continue
        try:
            require_inside(file.path)
        except InvalidInput as error:
            rows.append(failing(file.path, error))
        else:
            meant.append(file)
    return meant, rows


def photo_rows(files: Sequence[File]) -> Iterator[SourceRow]:
    """Rows for all files. Raises InvalidInput if two folders at the people's level have the same name."""
    photos, others = [], []
    for file in files:
        error = why_no_photo(file)
        if error is None:
            photos.append(file)
        else:
            others.append(failing(file.path, error))
    top = _folder_around(photos)
    level = min((depth for photo in photos if (depth := _depth(photo, top))), default=0)
    _require_different_folders(photo.folder for photo in photos if _depth(photo, top) == level > 0)
    for photo in photos:
        yield _row(photo, _depth(photo, top), level)
    yield from others


def why_no_photo(file: File) -> LeftOut | InvalidInput | None:
    """Why a file is no photo, or cannot be looked into; None if it is one, by its content. Trusts the names of SUFFIXES."""
    if file.path.lower().endswith(SUFFIXES):
        return None
    try:
        head = file.read(HEAD)
    except InvalidInput as error:
        return error
    if sniff(head):
        return None
    kind = foreign(head) or _("no photo in a format that can be read")
    return LeftOut("not_a_photo", _("By its content, the file is %(kind)s.") % {"kind": kind})


def _row(photo: File, depth: int, level: int) -> SourceRow:
    if depth == 0:
        return failing(photo.path, InvalidInput(BESIDE, code="no_folder"))
    if depth > level:
        return failing(photo.path, InvalidInput(TOO_DEEP, code="folder_unclear"))
    person = photo.folder.rpartition("/")[2]
    return SourceRow(photo.path, person, person_name(person), photo.photo)


def _depth(photo: File, top: str) -> int:
    """How many folders deep a photo lies, not counting the folder around all people."""
    return photo.path.count("/") - top.count("/")


def _folder_around(photos: Sequence[File]) -> str:
    """The folder around the people's folders, with a slash at its end; empty if there is none, as in most folders."""
    top = ""
    while inside := {photo.path[len(top) :].partition("/")[0] for photo in photos if _depth(photo, top)}:
        loose = any(not _depth(photo, top) for photo in photos)
        inner = f"{top}{min(inside)}/"
        if loose or len(inside) > 1 or not any(_depth(photo, inner) for photo in photos):
            return top
        top = inner
    return top


def _require_different_folders(folders: Iterable[str]) -> None:
    """Raises InvalidInput if two folders at different places have the same name: nobody knows whether they are one person."""
    places: dict[str, str] = {}
    for folder in folders:
        name = folder.rpartition("/")[2]
        if places.setdefault(name, folder) != folder:
            one, other = (storable(place, 300) for place in (places[name], folder))
            raise InvalidInput(
                _(
                    "Two folders have the same name: %(one)s and %(other)s. If they are two people, name the folders "
                    "differently. If they are one, put the photos into one folder."
                )
                % {"one": one, "other": other}
            )
