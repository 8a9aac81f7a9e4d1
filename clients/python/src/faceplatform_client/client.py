"""The calls."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

from faceplatform_client.errors import ApiError
from faceplatform_client.transport import NothingEnrolled, Photo, Transport
from faceplatform_client.types import (
    Comparison,
    Detection,
    Embedding,
    Enrolment,
    Person,
    Recognition,
    Search,
)

LONGEST_WAIT = 30.0  # seconds the platform holds one call


class Client:
    """A platform and a key: Client("https://faces.example.org", "fp_…").

    A photo is its bytes or a path. timeout: seconds for one HTTP call. wait: seconds to wait for a photo's answer before
    TimeoutError; None waits as long as it takes. Raises ApiError and ConnectionFailed.
    """

    def __init__(self, address: str, key: str, *, timeout: float = 60, wait: float | None = 60):
        self._transport = Transport(address, key, timeout)
        self._wait = wait

    # --- Photos ---
    def recognize(
        self,
        photo: Photo,
        *,
        gallery: str,
        top_k: int | None = None,
        threshold: float | None = None,
        max_faces: int | None = None,
        keep_photo: bool | None = None,
    ) -> Recognition:
        """Who is in this photo?"""
        fields = {"gallery": gallery, "top_k": top_k, "threshold": threshold, "max_faces": max_faces}
        return cast(Recognition, self._look("recognitions", fields | {"keep_photo": keep_photo}, [("photo", photo)]))

    def detect(self, photo: Photo, *, gallery: str, max_faces: int | None = None) -> Detection:
        """Where are faces in this photo, and how good are they?"""
        fields = {"gallery": gallery, "max_faces": max_faces}
        return cast(Detection, self._look("detections", fields, [("photo", photo)]))

    def embed(self, photo: Photo, *, gallery: str, max_faces: int | None = None) -> Embedding:
        """The vector of each face."""
        fields = {"gallery": gallery, "max_faces": max_faces}
        return cast(Embedding, self._look("embeddings", fields, [("photo", photo)]))

    def compare(
        self,
        photo: Photo,
        *,
        gallery: str,
        reference: Photo | None = None,
        identity: str | None = None,
        sample: str | None = None,
        threshold: float | None = None,
    ) -> Comparison:
        """Is anybody in `photo` the one of the reference photo, or this person, or this enrolled face? Give one of them."""
        fields = {"gallery": gallery, "identity": identity, "sample": sample, "threshold": threshold}
        photos = [("photo", photo)] + ([("reference", reference)] if reference is not None else [])
        return cast(Comparison, self._look("comparisons", fields, photos))

    def search(
        self, vector: Sequence[float], *, gallery: str, top_k: int | None = None, threshold: float | None = None
    ) -> Search:
        """Who is nearest to this vector?"""
        body = {"gallery": gallery, "vector": list(vector), "top_k": top_k, "threshold": threshold}
        return cast(Search, self._transport.post_json("searches", body))

    def submit(self, photo: Photo, *, gallery: str, **options: Any) -> Recognition:
        """Hands a photo in without waiting; `wait` gets the answer."""
        fields = {"gallery": gallery, **options}
        return cast(Recognition, self._transport.post_photos("recognitions", fields, [("photo", photo)], 0))

    def wait(self, recognition_id: str, *, seconds: float | None = None) -> Recognition:
        """The recognition, when it is done. Raises TimeoutError, and ApiError where the photo could not be used."""
        return cast(Recognition, self._until_done(f"recognitions/{recognition_id}", seconds))

    # --- People ---
    def people(self, *, gallery: str | None = None, search: str | None = None, **filters: Any) -> Iterator[Person]:
        """All of them, page by page; filters and ordering as the API has them (external_id, active, ordering …)."""
        page = self._transport.get("identities", {"gallery": gallery, "search": search, "limit": 100, **filters})
        while True:
            yield from page["results"]
            if page["next"] is None:
                return
            page = self._transport.get(page["next"])

    def person(self, person_id: str) -> Person:
        return cast(Person, self._transport.get(f"identities/{person_id}"))

    def add_person(self, name: str, *, gallery: str, **fields: Any) -> Person:
        """fields: external_id, department, position, active, hidden, metadata."""
        return cast(Person, self._transport.post_json("identities", {"gallery": gallery, "name": name, **fields}))

    def delete_person(self, person_id: str) -> None:
        """Out of every search at once; can be undone on the pages for some time."""
        self._transport.send("DELETE", f"identities/{person_id}")

    def enrol(self, person_id: str, *photos: Photo, quality_gate: str | None = None) -> Enrolment:
        """Enrols photos of a person, 20 at most; look at `results` for what became of each."""
        fields, files = {"quality_gate": quality_gate}, [("photos", photo) for photo in photos]
        wait = LONGEST_WAIT if self._wait is None else min(self._wait, LONGEST_WAIT)
        try:
            return cast(Enrolment, self._transport.post_photos(f"identities/{person_id}/samples", fields, files, wait))
        except NothingEnrolled as nothing:
            return cast(Enrolment, nothing.content)

    # --- Who and where ---
    def me(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self._transport.get("me"))

    def galleries(self) -> list[dict[str, Any]]:
        """The first hundred."""
        return cast("list[dict[str, Any]]", self._transport.get("galleries", {"limit": 100})["results"])

    def _look(self, what: str, fields: dict[str, Any], photos: Sequence[tuple[str, Photo]]) -> Any:
        wait = LONGEST_WAIT if self._wait is None else min(self._wait, LONGEST_WAIT)
        started = time.monotonic()
        answer = self._transport.post_photos(what, fields, photos, wait)
        if answer["status"] in ("done", "failed"):
            return answer
        left = None if self._wait is None else self._wait - (time.monotonic() - started)
        return self._until_done(f"{what}/{answer['id']}", left)

    def _until_done(self, path: str, seconds: float | None) -> Any:
        """Asks again, at growing intervals."""
        deadline = None if seconds is None else time.monotonic() + seconds
        pause = 0.05
        while True:
            answer = self._transport.get(path)
            if answer["status"] == "failed":
                raise ApiError({"status": 422, **answer["error"]})
            if answer["status"] == "done":
                return answer
            if deadline is not None and time.monotonic() + pause > deadline:
                raise TimeoutError(f"{path} is {answer['status']} still. Ask again later, or for more workers.")
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)
