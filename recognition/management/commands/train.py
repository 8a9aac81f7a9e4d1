"""Trains an embedder, and makes a model pack from it."""

import sys
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from recognition.lab.training import arguments, cluster
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.exchange import Exchange
from recognition.lab.training.export import PackFacts, export_pack, with_params
from recognition.lab.training.faces import Faces, split_people
from recognition.lab.training.held_out import held_out_set
from recognition.lab.training.loop import Outcome, Trainer, trained_params
from recognition.lab.training.nets import TrainableNet, net_of_pack, new_net
from recognition.lab.training.options import Options
from recognition.management.training_command import TRAININGS, TrainingCommand


class Command(TrainingCommand):
    help = "Trains an embedder on a set of faces; see docs/training.md."

    def add_arguments(self, parser):
        parser.add_argument("--dataset", type=Path, required=True,
                            help="folder with train.rec, train.idx and property, or with a folder per person")  # fmt: skip
        parser.add_argument("--out", type=Path, help="folder of the run (data directory/training/NETWORK-LOSS-DATASET)")
        parser.add_argument("--resume", action="store_true", help="continue the run in --out where it stopped")
        parser.add_argument("--pretrained", metavar="PACK", help="start from the net of an installed pack")
        parser.add_argument(
            "--hold-out", type=int, default=0, help="number of people kept out of the training, to measure with"
        )
        parser.add_argument(
            "--processes", type=int, default=1, help="processes on this machine that train one net together"
        )
        arguments.add_net(parser)
        arguments.add_loss(parser)
        arguments.add_course(parser)
        arguments.add_machine(parser)
        arguments.add_watching(parser)
        arguments.add_pack(parser)

    def handle(self, **options):
        if cluster.role() in ("scheduler", "server"):
            cluster.serve()
        if options["processes"] > 1 and cluster.role() is None:
            self._train_in_processes(options["processes"])
            return
        super().handle(**options)

    def _train_in_processes(self, count: int) -> None:
        code = cluster.train_locally([sys.executable, str(settings.BASE_DIR / "manage.py"), *sys.argv[1:]], count)
        if code:
            raise CommandError(f"One of the processes ended with status {code}; its messages are above.")

    def train(self, *, dataset, out, hold_out: int, pretrained, eval_set, **given):
        facts = self.pack_facts(**given) if given["export_pack"] else None
        distributed = cluster.role() == "worker"
        if distributed:
            cluster.assert_can_distribute()
        run = arguments.run_from(given, out or self._folder(dataset, **given), **self.hooks())
        exchange = Exchange(len(run.devices), distributed=distributed)
        leads = exchange.rank == 0  # only one of the processes reports, checks and exports
        options = arguments.options_from(
            given | {"network": None if pretrained else given["network"]},
            hold_out=hold_out,
            processes=exchange.processes,
        )
        faces, held_out = self._split(self.faces(dataset, say=leads), options)
        sets = [*([held_out_set(held_out, options.seed)] if held_out else []), *self.sets(eval_set)] if leads else []
        net = self._net(given["network"], pretrained, options, faces.size)
        trainer = Trainer(net, faces, options, run, sets=sets, exchange=exchange)
        outcome = trainer.train()
        if leads:
            self._print(outcome, trainer, run.folder)
        if leads and facts:
            self._export(net, facts, run.folder, held_out, dataset)

    @staticmethod
    def _folder(dataset: Path, *, network, loss, pretrained=None, **given) -> Path:
        return settings.DATA_DIR / TRAININGS / f"{pretrained or network}-{loss}-{dataset.resolve().name}"

    @staticmethod
    def _split(faces: Faces, options: Options) -> tuple[Faces, Faces | None]:
        if faces.classes < 2:
            raise TrainingError("The set has only one person. Telling people apart takes at least two.")
        return split_people(faces, options.hold_out, options.seed) if options.hold_out else (faces, None)

    @staticmethod
    def _net(network: str, pretrained: str | None, options: Options, size: int) -> TrainableNet:
        if pretrained is None:
            return new_net(network, options.dim_used, options.seed, options.width)
        net, manifest = net_of_pack(settings.MODELS_DIR / pretrained)
        if net.size != size:
            raise TrainingError(
                f"The pack {pretrained} takes faces of {net.size} px, aligned as {manifest.alignment}, but the set's are of "
                f"{size} px. Start from another pack."
            )
        return net

    def _print(self, outcome: Outcome, trainer: Trainer, folder: Path) -> None:
        best = f", best accuracy {outcome.best:.4f} at step {outcome.best_step}" if outcome.best is not None else ""
        self._say(f"Ended at step {outcome.step} of {trainer.steps}: loss {outcome.loss:.4f}{best}. Saved in {folder}.")
        if unusable := trainer.batches.unusable:
            first = next(iter(unusable.values()))
            self._say(f"{len(unusable)} faces could not be decoded and were replaced by others. The first: {first}.")

    def _export(self, net: TrainableNet, facts: PackFacts, folder: Path, held_out: Faces | None, dataset: Path) -> None:
        params, state = trained_params(folder)
        described = f"{held_out.classes} people of {dataset.name}, kept out of the training" if held_out else ""
        manifest, measured = export_pack(
            with_params(net, params), facts, settings.MODELS_DIR, held_out=held_out, described=described, say=self._say
        )
        self._say(f"The net is that of step {state['step']}. 1:1 threshold: {manifest.threshold_1to1:.3f}.")
        if measured:
            self._say(f"Measured on {measured.photos} faces of {measured.people} people: {measured.pairs}.")
