"""A running CompreFace as the source of an import: one row per face; each image is fetched when it is needed."""

from collections.abc import Iterator
from functools import partial

from faceplatform.errors import InvalidInput
from faceplatform.text import clean_name, storable
from recognition.compreface.client import CompreFaceClient
from recognition.compreface.services import external_id_of
from recognition.imports.sources import SourceRow

PAGE_SIZE = 500
MAX_ROUNDS = 3
NO_IMAGE = (
    "CompreFace has no image of this face: it was added while save_images_to_db was off, or has been deleted since. "
    "Enrol the person from a photo."
)


class CompreFaceSource:
    """An imports.sources.Source."""

    def __init__(self, client: CompreFaceClient) -> None:
        self._client = client

    def subjects(self) -> list[str]:
        return self._client.subjects()

    def count(self) -> int:
        _, total = self._client.faces(0, 1)
        return total

    def rows(self) -> Iterator[SourceRow]:
        """Each face once. CompreFace's pages have no fixed order, so faces missed in one round are looked for in the next."""
        seen: set[str] = set()
        for _ in range(MAX_ROUNDS):
            number, total = 0, 1
            while number * PAGE_SIZE < total:
                faces, total = self._client.faces(number, PAGE_SIZE)
                for image_id, subject in faces:
                    if image_id not in seen:
                        seen.add(image_id)
                        yield self._row(image_id, subject)
                number += 1
            if len(seen) >= total:
                return

    def _row(self, image_id: str, subject: str) -> SourceRow:
        name = storable(clean_name(subject), 200)
        return SourceRow(storable(image_id, 1000), external_id_of(name), name, partial(self._image, image_id))

    def _image(self, image_id: str) -> bytes:
        data = self._client.image(image_id)
        if not data:
            raise InvalidInput(NO_IMAGE, code="photo_missing")
        return data
