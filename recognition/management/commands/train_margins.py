"""Trains the eight margin settings of the ArcFace paper's table on one set, and prints them beside the published results."""

from pathlib import Path

from django.conf import settings

from recognition.lab.training import arguments
from recognition.lab.training.faces import split_people
from recognition.lab.training.held_out import held_out_set
from recognition.lab.training.margin_table import SETTINGS, header, train_all
from recognition.management.training_command import TRAININGS, TrainingCommand


class Command(TrainingCommand):
    help = "Trains every margin of the ArcFace paper's table on one set, with the same seed and steps; see docs/training.md."

    def add_arguments(self, parser):
        parser.add_argument("--dataset", type=Path, required=True, help="as for manage.py train")
        parser.add_argument("--out", type=Path, help="folder of the runs (data directory/training/margins-DATASET)")
        parser.add_argument(
            "--hold-out", type=int, default=10, help="number of people kept out of the training, to measure with"
        )
        arguments.add_net(parser)
        arguments.add_course(parser)
        arguments.add_machine(parser)
        arguments.add_watching(parser)

    def train(self, *, dataset, out, hold_out: int, eval_set, **given):
        folder = out or settings.DATA_DIR / TRAININGS / f"margins-{dataset.resolve().name}"
        options = arguments.options_from(given, hold_out=hold_out)
        faces, sets = self._split(self.faces(dataset), options)
        sets += self.sets(eval_set)
        rows = []
        for row in train_all(faces, options, arguments.run_from(given, folder, **self.hooks()), sets, self._say):
            rows.append(row)
            if self._stop_requested:
                break
        self._say("\n".join([header(sets), *map(str, rows)]))
        if len(rows) < len(SETTINGS):
            self._say("Stopped before all eight were trained. The same command continues.")

    @staticmethod
    def _split(faces, options):
        if not options.hold_out:
            return faces, []
        faces, held_out = split_people(faces, options.hold_out, options.seed)
        return faces, [held_out_set(held_out, options.seed)]
