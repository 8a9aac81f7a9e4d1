"""Shared by the re-embedding tests: enrols, recognises and embeds with a worker in this process."""

from accounts.actor import system_actor
from recognition.photos.services import Photo, submit_enrolment, submit_recognition
from recognition.reembedding.embed import embed_part

SYSTEM = system_actor()
SECOND = "second"  # the pack that galleries move to


def enrol(worker, identity, *photos: bytes):
    rows = submit_enrolment(
        actor=SYSTEM,
        identity=identity,
        photos=[Photo(f"{number}.jpg", photo) for number, photo in enumerate(photos)],
        quality_gate="off",
        needs_worker=False,
    )
    worker.run_once()
    return rows


def recognise(worker, gallery, photo: bytes, **options):
    row = submit_recognition(
        actor=SYSTEM, gallery=gallery, photo=Photo("probe.jpg", photo), needs_worker=False, **options
    )
    worker.run_once()
    row.refresh_from_db()
    return row


def work_off(worker) -> int:
    """Embeds until there is nothing left to do. Returns the number of parts."""
    parts = 0
    while embed_part(worker):
        parts += 1
    return parts
