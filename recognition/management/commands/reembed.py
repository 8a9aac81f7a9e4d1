"""Moves a gallery to another model pack. Works without a running platform; running workers share the work."""

import json
import signal
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from accounts.actor import Actor, cli_actor
from faceplatform.errors import DomainError
from faceplatform.processes.stop_flag import StopFlag
from gallery.models import Gallery
from gallery.search.indexing import maintain_indexes
from recognition.management.galleries import find_gallery
from recognition.photos import queue
from recognition.photos.worker import RecognitionWorker
from recognition.reembedding import services
from recognition.reembedding.embed import embed_part
from recognition.reembedding.models import ReEmbedding
from recognition.reembedding.progress import changes_of, preview_as_dict, progress_of
from recognition.reembedding.representation import change_as_dict, reembedding_as_dict

Status = ReEmbedding.Status
ENDS: dict[str, str] = {
    Status.READY: "Ready. To put {pack} in force: manage.py reembed --gallery {gallery} --pack {pack} --cut-over",
    Status.IN_FORCE: "{pack} is in force in {gallery}. To go back: manage.py reembed --gallery {gallery} --back",
    Status.STOPPED: "Stopped. The same command continues it.",
}


class Command(BaseCommand):
    help = (
        "Embeds a gallery's faces again under another model pack and shows which past decisions would change. --cut-over "
        "puts the new pack in force, --back the previous one. Ctrl-C stops the job; the same command continues it."
    )

    def add_arguments(self, parser):
        parser.add_argument("--gallery", required=True, metavar="SLUG")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--pack", metavar="NAME", help="the model pack to move to")
        what.add_argument("--back", action="store_true", help="put the previous pack in force again")
        what.add_argument(
            "--forget-old", action="store_true", help="delete the vectors of all packs that are not in force"
        )
        parser.add_argument("--cut-over", action="store_true", help="put the pack in force once everything is embedded")
        parser.add_argument("--json", action="store_true", help="print the result as JSON, with the changed decisions")

    def handle(self, *, gallery, pack, back, forget_old, cut_over, json, **options):
        gallery = find_gallery(gallery)
        actor = cli_actor()
        try:
            if forget_old:
                return self._forget(actor, gallery)
            job = self._job_back(actor, gallery) if back else self._job(actor, gallery, pack)
            self._work(actor, job)
            if cut_over and self._reload(job).status == Status.READY:
                maintain_indexes()
                services.cut_over(actor=actor, job=self._reload(job))
        except DomainError as error:
            raise CommandError(error.message) from error
        self._show(self._reload(job), json)

    def _forget(self, actor: Actor, gallery: Gallery) -> None:
        for pack, count in services.forget_old_vectors(actor=actor, gallery=gallery).items():
            self.stdout.write(f"{count} vectors of {pack} deleted.")

    @staticmethod
    def _job(actor: Actor, gallery: Gallery, pack: str) -> ReEmbedding:
        """The running re-embedding to `pack`; else an interrupted one, started again, or a new one."""
        live = gallery.reembeddings.live().filter(pack=pack, restores=None).first()
        return live or services.start_reembedding(actor=actor, gallery=gallery, pack=pack)

    @staticmethod
    def _job_back(actor: Actor, gallery: Gallery) -> ReEmbedding:
        live = gallery.reembeddings.live().filter(restores__isnull=False).first()
        return live or services.go_back(actor=actor, gallery=gallery)

    def _work(self, actor: Actor, job: ReEmbedding) -> None:
        """Embeds part after part until the job ends, and processes queued photos in between, alongside any running workers."""
        worker = RecognitionWorker(settings.MODELS_DIR)
        stop = StopFlag()
        previous = {name: signal.signal(name, stop.set) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            with worker.registered(), queue.hub.subscription(queue.QUEUED) as subscription, self._bar() as bar:
                while self._continues(actor, job.pk, stop, bar):
                    queue.release_expired()
                    if not worker.run_once() and not embed_part(worker, only=job.pk):
                        if reason := worker.pack_faults.get(job.pack):
                            raise CommandError(reason)
                        subscription.wait()
        finally:
            for name, handler in previous.items():
                signal.signal(name, handler)

    @staticmethod
    def _bar() -> tqdm:
        return tqdm(unit="face", disable=None)

    @staticmethod
    def _continues(actor: Actor, pk: UUID, stop: StopFlag, bar: tqdm) -> bool:
        """Whether there is work left. Shows the progress, and stops the job if the operator asked for it."""
        job = ReEmbedding.objects.select_related("gallery").get(pk=pk)
        if job.status not in (Status.RUNNING, Status.READY) or (job.status == Status.READY and not job.restores_id):
            return False
        if stop.is_set():
            services.stop_reembedding(actor=actor, job=job)
            return False
        if not bar.disable:
            progress = progress_of(job)
            bar.total = progress.samples + progress.faces
            bar.update(progress.embedded + progress.previewed - bar.n)
        if job.status == Status.READY:  # a job back that waits for its index
            maintain_indexes()
        return True

    @staticmethod
    def _reload(job: ReEmbedding) -> ReEmbedding:
        return ReEmbedding.objects.select_related("gallery").get(pk=job.pk)

    def _show(self, job: ReEmbedding, as_json: bool) -> None:
        changes = [change_as_dict(face) for face in changes_of(job)]
        if as_json:
            self.stdout.write(json.dumps(reembedding_as_dict(job) | {"changes": changes}, indent=1, ensure_ascii=False))
        else:
            self._print(job, changes)
        if job.status == Status.FAILED:
            raise CommandError(job.error_message)

    def _print(self, job: ReEmbedding, changes: list[dict]) -> None:
        progress = progress_of(job)
        self.stdout.write(f"{progress.embedded} of {progress.samples} enrolled faces are embedded under {job.pack}.")
        for row in job.unembedded.select_related("sample__identity"):
            self.stdout.write(f"  not embedded: {row.sample}: {row.reason}")
        if preview := preview_as_dict(job):
            for change in changes:
                self.stdout.write(
                    f"  {change['photo']}: {_decision_text(change['before'])} → {_decision_text(change['after'])}"
                )
            self._print_summary(preview)
        if text := ENDS.get(job.status):
            self.stdout.write(text.format(pack=job.pack, gallery=job.gallery.slug))

    def _print_summary(self, preview: dict) -> None:
        decisions, rank1 = preview["decisions"], preview["rank1"]
        self.stdout.write(
            f"Of {sum(decisions.values())} past decisions, {decisions['none']} stay the same, {decisions['known_to_unknown']} "
            f"change from known to unknown, {decisions['unknown_to_known']} from unknown to known, and "
            f"{decisions['other_person']} to another person."
        )
        if rank1["samples"]:
            self.stdout.write(
                f"The nearest other sample belongs to the same person: {rank1['before']:.1%} before, {rank1['after']:.1%} after, "
                f"of {rank1['samples']} samples."
            )


def _decision_text(side: dict) -> str:
    """side: a change's "before" or "after"."""
    return side["identity"]["name"] if side["identity"] else side["decision"]
