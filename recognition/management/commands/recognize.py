"""Recognises the people in photos. Works without a running server or worker."""

import json
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from faceplatform.errors import DomainError
from gallery.models import Gallery
from recognition.management.galleries import find_gallery
from recognition.management.photo_arguments import GivenPhoto, given_photos
from recognition.photos.drawing import draw
from recognition.photos.in_process import process_requests
from recognition.photos.models import RecognitionRequest
from recognition.photos.quality_words import reason_in_words
from recognition.photos.representation import recognition_as_dict, refused_as_dict
from recognition.photos.services import DEFAULT_TOP_K, Photo, submit_recognition

NAMED = 20  # of the photos that could not be used
BLOCK = 32  # photos, which are queued together and shown before the next ones are read


class Command(BaseCommand):
    help = (
        "Recognises the faces in photos. Each photo stands for itself; the exit status is 1 if one could not be used."
    )

    def add_arguments(self, parser):
        parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO|DIR")
        parser.add_argument("--gallery", required=True, metavar="SLUG")
        parser.add_argument(
            "--json", action="store_true", help="print one JSON list with a recognition per photo, in order"
        )
        parser.add_argument("--annotate", type=Path, metavar="OUT.jpg", help="draw the result on a single photo")
        parser.add_argument("--top-k", type=int, default=DEFAULT_TOP_K, help="candidates per face")
        parser.add_argument("--threshold", type=float, help="largest distance that counts as the same person")

    def handle(self, *, photos, gallery, json: bool, annotate, top_k, threshold, **options):
        gallery = find_gallery(gallery)
        given = given_photos(photos)
        if annotate and len(given) != 1:
            raise CommandError("--annotate draws on a single photo. Give only one.")
        answers = []
        for first in range(0, len(given), BLOCK):
            block = self._recognize(given[first : first + BLOCK], gallery, top_k=top_k, threshold=threshold)
            answers += block
            if not json:
                self.stdout.write("\n".join(_as_text(answer) for answer in block))
        if json:
            self.stdout.write(_as_json(answers))
        if annotate and not answers[0]["error"]:
            annotate.write_bytes(draw(given[0].read(), answers[0]))
        _raise_if_failed(answers)

    def _recognize(self, photos: list[GivenPhoto], gallery: Gallery, **options) -> list[dict]:
        refused, accepted = {}, {}
        for number, photo in enumerate(photos):
            try:
                accepted[number] = submit_recognition(
                    actor=cli_actor(),
                    gallery=gallery,
                    photo=Photo(photo.name, photo.read()),
                    needs_worker=False,
                    **options,
                )
            except DomainError as error:
                refused[number] = refused_as_dict(
                    photo_name=photo.name, gallery_slug=gallery.slug, pack=gallery.pack, error=error
                )
        try:
            process_requests(list(accepted.values()))
        except DomainError as error:
            raise CommandError(error.message) from error
        rows = RecognitionRequest.objects.with_results().in_bulk([request.pk for request in accepted.values()])
        return [refused.get(number) or recognition_as_dict(rows[accepted[number].pk]) for number in range(len(photos))]


def _raise_if_failed(answers: list[dict]) -> None:
    failed = [answer["photo"] for answer in answers if answer["error"]]
    if failed:
        names = ", ".join(failed[:NAMED]) + (" …" if len(failed) > NAMED else "")
        raise CommandError(f"{len(failed)} of {len(answers)} photos could not be used: {names}")


def _as_json(answers: list[dict]) -> str:
    return json.dumps(answers, indent=1, ensure_ascii=False)


def _as_text(answer: dict) -> str:
    if answer["error"]:
        return f"{answer['photo']}: {answer['error']['detail']}"
    lines = [f"{answer['photo']}: {len(answer['faces'])} face{'s' * (len(answer['faces']) != 1)}"]
    lines += [f"  (look with care: {reason_in_words(warning)})" for warning in answer["warnings"]]
    for face in answer["faces"]:
        best = face["candidates"][0] if face["candidates"] else None
        name = face["identity"]["name"] if face["identity"] else face["decision"]
        near = f"nearest {best['identity']['name']} " if best and not face["identity"] else ""
        lines.append(
            f"  {name}" + (f"  ({near}score {best['score']:.2f}, distance {best['distance']:.3f})" if best else "")
        )
    return "\n".join(lines)
