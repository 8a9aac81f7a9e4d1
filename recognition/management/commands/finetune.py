"""Fine-tunes a pack's net on a gallery's own faces. Keeps it only if it is better for people it has not seen."""

import tempfile

from django.conf import settings
from django.core.management.base import CommandError

from accounts.actor import cli_actor
from faceplatform.errors import DomainError
from gallery.models import Gallery
from recognition.engine.align import ALIGNMENTS
from recognition.finetuning.services import record_verdict, take_faces_for_finetuning
from recognition.lab.training import arguments
from recognition.lab.training.export import PackFacts, export_pack
from recognition.lab.training.finetune import FineTuned, fine_tune
from recognition.lab.training.nets import net_of_pack
from recognition.management.galleries import find_gallery
from recognition.management.training_command import TRAININGS, TrainingCommand


class Command(TrainingCommand):
    help = "Fine-tunes a pack on a gallery's faces. The result is kept only if it is significantly better."

    def add_arguments(self, parser):
        parser.add_argument("--gallery", required=True, metavar="SLUG")
        parser.add_argument("--pack", help="the pack to start from; default: the gallery's")
        arguments.add_loss(parser, default="triplet")
        arguments.add_course(parser, batch=30, lr=0.001, epochs=10.0, clip=0.001, frozen_batchnorm=True)
        arguments.add_machine(parser)
        arguments.add_pack(parser, required=True)

    def train(self, *, gallery, pack, **given):
        gallery = find_gallery(gallery)
        base = pack or gallery.pack
        facts = self.pack_facts(**given, detector=base)
        try:
            tuned = self._tune(gallery, base, given)
            self._say(tuned.verdict.sentence())
            record_verdict(actor=cli_actor(), gallery=gallery, pack=facts.name, verdict=tuned.verdict)
        except DomainError as error:
            raise CommandError(error.message) from error
        if not tuned.verdict.accepted:
            raise CommandError(f"No pack was made: {base} remains the better choice for this gallery.")
        self._export(tuned, facts, base, gallery)

    def _tune(self, gallery: Gallery, base: str, given: dict) -> FineTuned:
        net, manifest = net_of_pack(settings.MODELS_DIR / base)
        training = take_faces_for_finetuning(
            actor=cli_actor(), gallery=gallery, pack=base, alignment=ALIGNMENTS[manifest.alignment], seed=given["seed"]
        )
        faces, held_out = training.faces, training.held_out
        options = arguments.options_from(given, network=None, hold_out=held_out)
        self._say(f"{len(faces.labels)} faces of {faces.classes} people; {held_out} of them are held out to judge by.")
        folder = settings.DATA_DIR / TRAININGS
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".finetuning-") as scratch:
            return fine_tune(net, faces, options, arguments.run_from(given, scratch, **self.hooks()))

    def _export(self, tuned: FineTuned, facts: PackFacts, base: str, gallery: Gallery) -> None:
        threshold = net_of_pack(settings.MODELS_DIR / base)[1].threshold_1to1
        manifest, _ = export_pack(
            tuned.net, facts, settings.MODELS_DIR, threshold=threshold, held_out=tuned.held_out,
            described=f"{tuned.held_out.classes} people of a gallery, kept out of the fine-tuning", say=self._say,
        )  # fmt: skip
        self._say(
            f"1:1 threshold: {manifest.threshold_1to1:.3f}. The gallery “{gallery.name}” still uses {gallery.pack}."
        )
