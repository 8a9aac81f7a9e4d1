"""Lists the vector indexes of large galleries, measures their recall and tunes them."""

from django.core.management.base import BaseCommand, CommandError

from faceplatform.errors import Conflict
from gallery.models import Gallery, VectorIndex
from gallery.search.recall import EF_SEARCH, PROBES, TARGET_RECALL, measure_recall, tune_index


class Command(BaseCommand):
    help = (
        "Lists the vector indexes. With --gallery, measures recall@1 against an exact search, or tunes ef_search by it."
    )

    def add_arguments(self, parser):
        parser.add_argument("--gallery", metavar="SLUG", help="measure the recall in this gallery")
        parser.add_argument(
            "--ef", nargs="+", type=int, metavar="EF", help="values of ef_search to measure; default: the one in use"
        )
        parser.add_argument(
            "--probes", type=int, default=PROBES, help=f"how many probes to measure with; default: {PROBES}"
        )
        parser.add_argument(
            "--tune",
            action="store_true",
            help=f"use the smallest ef_search whose recall is at least {TARGET_RECALL} with 95 %% certainty",
        )

    def handle(self, *, gallery, ef, probes, tune, **options):
        if gallery is None:
            self._list()
            return
        index = _ready_index(gallery)
        if probes < 1 or any(not 1 <= value <= EF_SEARCH[-1] for value in ef or ()):
            raise CommandError(f"--probes must be 1 or more, --ef 1 to {EF_SEARCH[-1]}.")
        if tune:
            try:
                tune_index(index, probes=probes)
            except Conflict as error:
                raise CommandError(error.message) from error
            self.stdout.write(_line(index))
            return
        some = {"gallery_id": index.gallery_id, "pack": index.pack, "probes": probes}
        for recall in measure_recall(**some, ef_search=ef or [index.ef_search]):
            self.stdout.write(
                f"ef_search {recall.ef_search:>4}: recall@1 {recall.share:.4f} ({recall.found} of {recall.probes}), "
                f"with 95 % certainty at least {recall.at_least:.4f}"
            )

    def _list(self) -> None:
        indexes = VectorIndex.objects.select_related("gallery").order_by("gallery__slug", "pack")
        for index in indexes:
            self.stdout.write(_line(index))
        if not indexes:
            self.stdout.write("No gallery has an index: all are searched exactly.")


def _ready_index(slug: str) -> VectorIndex:
    gallery = Gallery.objects.filter(slug=slug).first()
    if gallery is None:
        raise CommandError(f"There is no gallery “{slug}”.")
    index = VectorIndex.objects.filter(gallery=gallery, pack=gallery.pack, state=VectorIndex.State.READY).first()
    if index is None:
        raise CommandError(f"“{slug}” has no index in use: it is searched exactly, so its recall is 1.")
    return index


def _line(index: VectorIndex) -> str:
    recall = "" if index.recall is None else f", recall@1 {index.recall:.4f} of {index.recall_probes} probes"
    return (
        f"{index.gallery.slug} ({index.pack}): {index.get_state_display().lower()}, {index.rows:,} vectors, "
        f"{index.size_bytes / 2**20:.0f} MB, ef_search {index.ef_search}{recall}"
    )
