"""The client: one method per API call."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

from faceplatform_client.errors import ApiError
from faceplatform_client.transport import NothingEnrolled, Photo, Transport
from faceplatform_client.types import (
    Alert,
    AlertRule,
    Camera,
    Comparison,
    Detection,
    Embedding,
    Enrolment,
    Kiosk,
    Naming,
    Person,
    Recognition,
    Search,
    Sighting,
    UnknownPerson,
    WebhookEndpoint,
)

LONGEST_WAIT = 30.0  # seconds the platform holds one call


class Client:
    """Calls one platform with one API key: Client("https://faces.example.org", "fp_…").

    A photo is given as bytes or as a path. timeout: seconds for one HTTP call. wait: seconds to wait for the result of a photo
    before TimeoutError is raised; None waits without limit. Every method may raise ApiError and ConnectionFailed.
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
        return cast(
            Recognition, self._submit_and_wait("recognitions", fields | {"keep_photo": keep_photo}, [("photo", photo)])
        )

    def detect(self, photo: Photo, *, gallery: str, max_faces: int | None = None) -> Detection:
        """Where are the faces in this photo, and of what quality are they?"""
        fields = {"gallery": gallery, "max_faces": max_faces}
        return cast(Detection, self._submit_and_wait("detections", fields, [("photo", photo)]))

    def embed(self, photo: Photo, *, gallery: str, max_faces: int | None = None) -> Embedding:
        """The embedding of each face in this photo."""
        fields = {"gallery": gallery, "max_faces": max_faces}
        return cast(Embedding, self._submit_and_wait("embeddings", fields, [("photo", photo)]))

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
        """Does a face in `photo` match? Give one to compare with: a reference photo, an identity's id or a sample's id."""
        fields = {"gallery": gallery, "identity": identity, "sample": sample, "threshold": threshold}
        photos = [("photo", photo)] + ([("reference", reference)] if reference is not None else [])
        return cast(Comparison, self._submit_and_wait("comparisons", fields, photos))

    def search(
        self, vector: Sequence[float], *, gallery: str, top_k: int | None = None, threshold: float | None = None
    ) -> Search:
        """Who is nearest to this embedding?"""
        body = {"gallery": gallery, "vector": list(vector), "top_k": top_k, "threshold": threshold}
        return cast(Search, self._transport.post_json("searches", body))

    def submit(self, photo: Photo, *, gallery: str, **options: Any) -> Recognition:
        """Submits a photo without waiting for the result; get it later with `wait`. options: as for `recognize`."""
        fields = {"gallery": gallery, **options}
        return cast(Recognition, self._transport.post_photos("recognitions", fields, [("photo", photo)], 0))

    def wait(self, recognition_id: str, *, seconds: float | None = None) -> Recognition:
        """Waits until the recognition is done. seconds: how long at most; None waits without limit.

        Raises TimeoutError, and ApiError if the photo could not be used.
        """
        return cast(Recognition, self._until_done(f"recognitions/{recognition_id}", seconds))

    # --- People ---
    def people(self, *, gallery: str | None = None, search: str | None = None, **filters: Any) -> Iterator[Person]:
        """All people that match, fetched page by page. filters: as in the API (external_id, active, ordering …)."""
        yield from self._all("identities", {"gallery": gallery, "search": search, **filters})

    def person(self, person_id: str) -> Person:
        return cast(Person, self._transport.get(f"identities/{person_id}"))

    def add_person(self, name: str, *, gallery: str, **fields: Any) -> Person:
        """fields: external_id, department, position, active, hidden, metadata."""
        return cast(Person, self._transport.post_json("identities", {"gallery": gallery, "name": name, **fields}))

    def delete_person(self, person_id: str) -> None:
        """Removes a person from every search at once. For some time this can be undone on the web pages."""
        self._transport.send("DELETE", f"identities/{person_id}")

    def enrol(
        self, person_id: str, *photos: Photo, quality_gate: str | None = None, accept_truncated: bool | None = None
    ) -> Enrolment:
        """Enrols up to 20 photos of a person. `results` says for each photo whether it was enrolled, and if not, why.

        accept_truncated: also photos whose file ends too early.
        """
        fields = {"quality_gate": quality_gate, "accept_truncated": accept_truncated}
        files = [("photos", photo) for photo in photos]
        wait = LONGEST_WAIT if self._wait is None else min(self._wait, LONGEST_WAIT)
        try:
            return cast(Enrolment, self._transport.post_photos(f"identities/{person_id}/samples", fields, files, wait))
        except NothingEnrolled as error:
            return cast(Enrolment, error.content)

    # --- Cameras ---
    def cameras(self, *, gallery: str | None = None, **filters: Any) -> Iterator[Camera]:
        """All cameras that match, fetched page by page. filters: as in the API (kind, enabled)."""
        yield from self._all("cameras", {"gallery": gallery, **filters})

    def camera(self, camera_id: str) -> Camera:
        return cast(Camera, self._transport.get(f"cameras/{camera_id}"))

    def add_camera(self, name: str, *, gallery: str, kind: str, **fields: Any) -> Camera:
        """kind: rtsp, mjpeg, file, device or webcam. fields: address, user, password, role, fps …"""
        return cast(
            Camera, self._transport.post_json("cameras", {"gallery": gallery, "name": name, "kind": kind, **fields})
        )

    def change_camera(self, camera_id: str, **fields: Any) -> Camera:
        """fields: as for `add_camera`, and enabled."""
        return cast(Camera, self._transport.send_json("PATCH", f"cameras/{camera_id}", fields))

    def delete_camera(self, camera_id: str) -> None:
        """Deletes a camera with all its sightings, for good."""
        self._transport.send("DELETE", f"cameras/{camera_id}")

    def camera_picture(self, camera_id: str) -> bytes:
        """The newest picture, a JPEG with boxes and names. Raises ApiError (no_picture) if there is none yet."""
        return self._transport.get_picture(f"cameras/{camera_id}/frame.jpg")

    def post_frame(self, camera_id: str, jpeg: bytes) -> None:
        """A picture for a camera of the kind webcam; at most three a second."""
        self._transport.send("POST", f"cameras/{camera_id}/frames", jpeg, {"Content-Type": "image/jpeg"})

    def live(self, camera_id: str) -> Iterator[bytes]:
        """The camera's pictures as they come, JPEGs with boxes and names, until you stop asking for them.

        The platform ends the stream after ten minutes; this then asks again. Who is slower than the camera misses pictures.
        """
        while True:
            yield from self._transport.pictures(f"cameras/{camera_id}/live.mjpeg")

    def kiosks(self, camera_id: str) -> Iterator[Kiosk]:
        """The kiosks of a camera of the kind webcam."""
        yield from self._all(f"cameras/{camera_id}/kiosks", {})

    def add_kiosk(self, camera_id: str, name: str, *, greets_strangers: bool = False) -> Kiosk:
        """`code` is in this answer alone: it is typed at the kiosk, once."""
        body = {"name": name, "greets_strangers": greets_strangers}
        return cast(Kiosk, self._transport.post_json(f"cameras/{camera_id}/kiosks", body))

    def end_kiosk(self, kiosk_id: str) -> None:
        """It is refused at once."""
        self._transport.send("DELETE", f"kiosks/{kiosk_id}")

    def sightings(self, *, gallery: str | None = None, **filters: Any) -> Iterator[Sighting]:
        """Who was seen, the newest first. filters: as in the API (camera, identity, unknown, decision, after, before)."""
        yield from self._all("sightings", {"gallery": gallery, **filters})

    def unknown_people(
        self, *, gallery: str | None = None, state: str = "open", **filters: Any
    ) -> Iterator[UnknownPerson]:
        """Those whom nobody has named, the latest seen first. state: open, ignored or named."""
        yield from self._all("unknowns", {"gallery": gallery, "state": state, **filters})

    def name_unknown(
        self,
        unknown_id: str,
        *,
        identity: str | None = None,
        name: str | None = None,
        faces: Sequence[str] | None = None,
        without: Sequence[str] = (),
    ) -> Naming:
        """Says who an unknown person is: a person's id, or the name of a new one. All past sightings get the name.

        faces: ids of those to enrol, None for the best three. without: ids of sightings of somebody else.
        """
        body: dict[str, Any] = {"without": list(without)}
        body |= {"identity": identity} if identity else {"name": name or ""}
        body |= {} if faces is None else {"faces": list(faces)}
        return cast(Naming, self._transport.post_json(f"unknowns/{unknown_id}/name", body))

    def undo(self, event: str) -> str:
        """Undoes a change by the event that its answer named. Returns the event of the undo."""
        return cast(str, self._transport.post_json(f"undo/{event}", {})["event"])

    # --- Alerts ---
    def alerts(self, *, gallery: str | None = None, **filters: Any) -> Iterator[Alert]:
        """What rules have told, the newest first. filters: as in the API (kind, camera, identity, seen, after, before)."""
        yield from self._all("alerts", {"gallery": gallery, **filters})

    def alert_picture(self, alert_id: str) -> bytes:
        """The best face of the alert's sighting, a JPEG."""
        return self._transport.get_picture(f"alerts/{alert_id}/picture.jpg")

    def mark_alerts_seen(self, *alert_ids: str) -> int:
        """Returns how many were new to the key's user."""
        return cast(int, self._transport.post_json("alerts/seen", {"alerts": list(alert_ids)})["seen"])

    def alert_rules(self, *, gallery: str | None = None) -> Iterator[AlertRule]:
        yield from self._all("alert-rules", {"gallery": gallery})

    def add_alert_rule(self, name: str, *, gallery: str, kind: str, **fields: Any) -> AlertRule:
        """kind: known, unknown, watch_list, absent or camera_offline. fields: as in the API (people, cameras, cooldown …)."""
        body = {"name": name, "gallery": gallery, "kind": kind, **fields}
        return cast(AlertRule, self._transport.post_json("alert-rules", body))

    def delete_alert_rule(self, rule_id: str) -> None:
        """Its alerts stay."""
        self._transport.send("DELETE", f"alert-rules/{rule_id}")

    def webhook_endpoints(self, *, gallery: str | None = None) -> Iterator[WebhookEndpoint]:
        yield from self._all("webhook-endpoints", {"gallery": gallery})

    def add_webhook_endpoint(self, url: str, *, gallery: str, kinds: Sequence[str] = ()) -> WebhookEndpoint:
        """`secret` is in this answer alone."""
        body = {"gallery": gallery, "url": url, "kinds": list(kinds)}
        return cast(WebhookEndpoint, self._transport.post_json("webhook-endpoints", body))

    def delete_webhook_endpoint(self, endpoint_id: str) -> None:
        self._transport.send("DELETE", f"webhook-endpoints/{endpoint_id}")

    # --- The key and its galleries ---
    def me(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self._transport.get("me"))

    def galleries(self) -> list[dict[str, Any]]:
        """The first hundred galleries that the key can see."""
        return cast("list[dict[str, Any]]", self._transport.get("galleries", {"limit": 100})["results"])

    def _all(self, path: str, query: dict[str, Any]) -> Iterator[Any]:
        """The rows of a list, fetched page by page."""
        page = self._transport.get(path, {"limit": 100, **query})
        while True:
            yield from page["results"]
            if page["next"] is None:
                return
            page = self._transport.get(page["next"])

    def _submit_and_wait(self, path: str, fields: dict[str, Any], photos: Sequence[tuple[str, Photo]]) -> Any:
        wait = LONGEST_WAIT if self._wait is None else min(self._wait, LONGEST_WAIT)
        started = time.monotonic()
        answer = self._transport.post_photos(path, fields, photos, wait)
        if answer["status"] in ("done", "failed"):
            return answer
        left = None if self._wait is None else self._wait - (time.monotonic() - started)
        return self._until_done(f"{path}/{answer['id']}", left)

    def _until_done(self, path: str, seconds: float | None) -> Any:
        """Polls at growing intervals."""
        deadline = None if seconds is None else time.monotonic() + seconds
        pause = 0.05
        while True:
            answer = self._transport.get(path)
            if answer["status"] == "failed":
                raise ApiError({"status": 422, **answer["error"]})
            if answer["status"] == "done":
                return answer
            if deadline is not None and time.monotonic() + pause > deadline:
                raise TimeoutError(f"{path} is still {answer['status']}. Try again later, or run more workers.")
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)
