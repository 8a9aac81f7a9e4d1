"""Recognises the people in photos. Works without a running server or worker."""

import json
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from faceplatform.errors import DomainError
from gallery.models import Gallery
from recognition.management.galleries import find_gallery
from recognition.photos.drawing import draw
from recognition.photos.in_process import process_requests
from recognition.photos.models import RecognitionRequest
from recognition.photos.representation import recognition_as_dict, refused_as_dict
from recognition.photos.services import DEFAULT_TOP_K, Photo, submit_recognition


class Command(BaseCommand):
    help = "Recognises the faces in photos."

    def add_arguments(self, parser):
        parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
        parser.add_argument("--gallery", required=True, metavar="SLUG")
        parser.add_argument(
            "--json", action="store_true", help="print one JSON list with a recognition per photo, in order"
        )
        parser.add_argument("--annotate", type=Path, metavar="OUT.jpg", help="draw the result on a single photo")
        parser.add_argument("--top-k", type=int, default=DEFAULT_TOP_K, help="candidates per face")
        parser.add_argument("--threshold", type=float, help="largest distance that counts as the same person")

    def handle(self, *, photos, gallery, json: bool, annotate, top_k, threshold, **options):
        gallery = find_gallery(gallery)
        if annotate and len(photos) != 1:
            raise CommandError("--annotate draws on a single photo. Give only one.")
        answers = self._recognize(photos, gallery, top_k=top_k, threshold=threshold)
        self.stdout.write(_as_json(answers) if json else "\n".join(_as_text(answer) for answer in answers))
        if annotate and not answers[0]["error"]:
            annotate.write_bytes(draw(photos[0].read_bytes(), answers[0]))
        if failed := [answer["photo"] for answer in answers if answer["error"]]:
            raise CommandError(f"{len(failed)} of {len(answers)} photos could not be used: {', '.join(failed)}")

    def _recognize(self, paths: list[Path], gallery: Gallery, **options) -> list[dict]:
        actor = cli_actor()
        refused, accepted = {}, {}
        for path in paths:
            try:
                photo = Photo(path.name, path.read_bytes())
                accepted[path] = submit_recognition(
                    actor=actor, gallery=gallery, photo=photo, needs_worker=False, **options
                )
            except OSError as error:
                raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
            except DomainError as error:
                refused[path] = refused_as_dict(
                    photo_name=path.name, gallery_slug=gallery.slug, pack=gallery.pack, error=error
                )
        try:
            process_requests(list(accepted.values()))
        except DomainError as error:
            raise CommandError(error.message) from error
        rows = RecognitionRequest.objects.with_results().in_bulk([request.pk for request in accepted.values()])
        return [refused.get(path) or recognition_as_dict(rows[accepted[path].pk]) for path in paths]


def _as_json(answers: list[dict]) -> str:
    return json.dumps(answers, indent=1, ensure_ascii=False)


def _as_text(answer: dict) -> str:
    if answer["error"]:
        return f"{answer['photo']}: {answer['error']['detail']}"
    lines = [f"{answer['photo']}: {len(answer['faces'])} face{'s' * (len(answer['faces']) != 1)}"]
    for face in answer["faces"]:
        best = face["candidates"][0] if face["candidates"] else None
        name = face["identity"]["name"] if face["identity"] else face["decision"]
        near = f"nearest {best['identity']['name']} " if best and not face["identity"] else ""
        lines.append(
            f"  {name}" + (f"  ({near}score {best['score']:.2f}, distance {best['distance']:.3f})" if best else "")
        )
    return "\n".join(lines)
