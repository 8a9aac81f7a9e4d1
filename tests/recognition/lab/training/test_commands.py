"""The commands from a set to a pack in use, on synthetic faces and on real portraits."""

import io
import shutil

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import NotAllowed
from gallery.models import FaceCrop
from recognition.engine.align import ALIGNMENTS, ARCFACE_TARGETS
from recognition.engine.manifest import load_manifest, verify_pack
from recognition.engine.mxnet_runtime import import_mxnet
from recognition.engine.pipeline import Pipeline
from recognition.finetuning.services import take_faces_for_finetuning
from recognition.lab.training.export import PackFacts, export_pack
from recognition.lab.training.faces import MemoryFaces, write_records
from recognition.lab.training.folders import open_faces
from recognition.lab.training.nets import net_of_pack, new_net
from tests.factories import GalleryFactory, IdentityFactory, SampleFactory, member
from tests.training_tools import jpeg, patterns

SMALL = [
    "--network",
    "mbf",
    "--width",
    "0.125",
    "--dim",
    "32",
    "--scale",
    "16",
    "--threads",
    "1",
    "--loader-threads",
    "1",
]
PACK = ["--export-pack", "mine", "--licence", "our own"]


@pytest.fixture
def place(tmp_path, settings, pack_dir):
    """Temporary folders for data and packs; the default pack is installed."""
    settings.DATA_DIR, settings.MODELS_DIR = tmp_path / "data", tmp_path / "models"
    shutil.copytree(pack_dir, settings.MODELS_DIR / "dlib-resnet")
    return tmp_path


@pytest.fixture
def records(tmp_path):
    """Fourteen people, six faces each, as train.rec."""
    chips, labels = patterns(14, 6, size=112, noise=90)
    folder = tmp_path / "set"
    folder.mkdir()
    write_records(folder, [(int(label), jpeg(chip)) for chip, label in zip(chips, labels, strict=True)], 14)
    return folder


def test_from_a_set_to_a_pack(place, records, settings, hopper, capsys):
    call_command("train", *SMALL, *PACK, "--commercial-use", "--loss", "combined", "--m2", "0.2", "--dataset", records,
                 "--batch", "12", "--steps", "18", "--lr", "0.1", "--hold-out", "8", "--check-every", "18",
                 "--log-every", "9")  # fmt: skip
    out = capsys.readouterr().out
    assert "84 faces of 14 people" in out
    assert "step 18/18, epoch 6.00, loss" in out
    assert "images/s" in out
    assert "step 18: held out: accuracy" in out
    manifest = verify_pack(settings.MODELS_DIR / "mine")
    assert (manifest.dim, manifest.metric, manifest.alignment) == (32, "cosine", "arcface-112")
    assert (manifest.licence, manifest.commercial_use) == ("our own (embedder), MIT (detector)", True)
    # Eighteen steps make no net that tells people apart on every processor; one that does not is said to be unmeasured.
    assert bool(manifest.far_curve) == ("Its thresholds are guesses" not in out)
    if manifest.far_curve:
        assert manifest.measured_on == "8 people of set, kept out of the training"
    [face] = Pipeline.load(settings.MODELS_DIR / "mine").analyse([hopper], purposes=["probe"])[0].faces
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)


def test_the_far_curve_is_measured_on_those_held_out(place, settings):
    """Of a net with seeded weights, whose vectors hardly depend on the processor."""
    net, said = new_net("mbf", 32, 0, 0.125), []
    held_out = MemoryFaces(*patterns(8, 6, size=112, noise=90))
    manifest, found = export_pack(
        net, PackFacts("mine", "our own", "dlib-resnet"), settings.MODELS_DIR, held_out=held_out,
        described="8 people", say=said.append,
    )  # fmt: skip
    assert manifest == load_manifest(settings.MODELS_DIR / "mine")
    assert manifest.far_pairs == {"genuine": 8 * 6 * 5, "impostor": 48 * 42}
    assert (manifest.measured_on, found.people) == ("8 people", 8)
    assert manifest.far_curve[0][0] <= manifest.threshold_1to1 <= manifest.far_curve[-1][0]
    assert not any("guesses" in text for text in said)


def test_too_few_held_out_leave_the_thresholds_guesses(place, settings):
    said = []
    held_out = MemoryFaces(*patterns(2, 2, size=112))
    manifest, found = export_pack(
        new_net("mbf", 32, 0, 0.125), PackFacts("mine", "our own", "dlib-resnet"), settings.MODELS_DIR,
        held_out=held_out, say=said.append,
    )  # fmt: skip
    assert (found, manifest.far_curve) == (None, [])
    assert any("Its thresholds are guesses." in text for text in said)


def test_a_pack_is_trained_on_with_triplets(place, records, settings, capsys):
    net = new_net("mbf", 32, 0, 0.125)
    export_pack(net, PackFacts("first", "our own", "dlib-resnet"), settings.MODELS_DIR, say=lambda text: None)
    call_command("train", "--pretrained", "first", "--loss", "triplet", "--dataset", records, "--batch", "15",
                 "--steps", "3", "--lr", "0.001", "--hold-out", "4", "--threads", "1", *PACK)  # fmt: skip
    assert "Ended at step 3 of 3" in capsys.readouterr().out
    before, after = (net_of_pack(settings.MODELS_DIR / name)[0].graph.params for name in ("first", "mine"))
    changed = [name for name in before if (before[name] != after[name]).any()]
    assert 0.9 * len(before) < len(changed) <= len(before)
    with pytest.raises(CommandError, match=r"The pack dlib-resnet takes faces of 150 px"):
        call_command("train", "--pretrained", "dlib-resnet", "--dataset", records, "--batch", "8", "--out", place / "x")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--export-pack", "mine"], "Add --licence"),
        (["--export-pack", "dlib-resnet", "--licence", "x"], "There is already a pack dlib-resnet"),
        (["--hold-out", "13"], "lower --hold-out"),
        (["--batch", "100"], "Lower --batch"),
        (["--lr-steps", "a,b"], "--lr-steps takes numbers"),
        (["--devices", "gpu:0"], "The device gpu:0 cannot be used.* To train on the CPU, use --devices cpu"),
        (["--eval-set", "no-such.bin"], "There is no set no-such.bin"),
        (["--pretrained", "no-such"], "There is no pack in"),
        (["--out", "/dev/null/x"], "cannot be read or written: Not a directory"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(place, records, options, match):
    with pytest.raises(CommandError, match=match):
        call_command("train", *SMALL, "--dataset", records, "--batch", "16", "--steps", "1", *options)
    assert [path.name for path in (place / "models").iterdir() if path.is_dir()] == ["dlib-resnet"]


def test_a_set_of_one_person_is_refused(place, records, tmp_path):
    write_records(records, [(0, jpeg(chip)) for chip in patterns(1, 4, size=112)[0]], 1)
    with pytest.raises(CommandError, match="only one person"):
        call_command("train", *SMALL, "--dataset", records, "--batch", "2")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CommandError, match=r"is not a training set\. Give a folder with train.rec"):
        call_command("train", *SMALL, "--dataset", tmp_path / "empty")


def test_a_folder_for_each_person_is_aligned_once(place, settings, hopper, collins, no_face, tmp_path):
    people = tmp_path / "people"
    for path, data in {
        "Hopper/1.jpg": hopper,
        "Collins/1.png": collins,
        "Collins/2.png": no_face,
        "Hopper/x": b"?",
    }.items():
        (people / path).parent.mkdir(parents=True, exist_ok=True)
        (people / path).write_bytes(data)
    cache, heard = place / "cache", []
    faces = open_faces(
        people, cache, settings.MODELS_DIR / "dlib-resnet", lambda number, of: heard.append((number, of))
    )
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (faces.classes, faces.labels.tolist(), faces.chip(0).shape) == (2, [0, 1], (112, 112, 3))
    [kept] = cache.iterdir()
    assert [line.split(",")[0] for line in (kept / "refused.csv").read_text().splitlines()] == [
        "photo", "Collins/2.png", "Hopper/x",
    ]  # fmt: skip
    assert (kept / "photos.csv").read_text().splitlines()[1:] == ["1,0,Collins/1.png", "2,1,Hopper/1.jpg"]
    again = open_faces(people, cache, settings.MODELS_DIR / "dlib-resnet", lambda number, of: heard.append(None))
    assert len(heard) == 4
    assert again.chip(1).tobytes() == faces.chip(1).tobytes()
    with Image.open(io.BytesIO(hopper)) as image:
        image.save(people / "Hopper" / "2.jpg")
    assert len(open_faces(people, cache, settings.MODELS_DIR / "dlib-resnet").labels) == 3


def test_the_margin_table(place, records, capsys):
    options = [*SMALL, "--dataset", records, "--batch", "8", "--hold-out", "4", "--check-every", "10", "--lr", "0.01"]
    options.remove("--scale")
    options.remove("16")
    call_command("train_margins", *options, "--steps", "1")
    *_, header, one, two, three, four, five, six, seven, eight = capsys.readouterr().out.splitlines()
    assert header.endswith("published: LFW / CFP-FP / AgeDB-30, %")
    assert eight.split()[:4] == ["combined", "0.9,", "0.4,", "0.15"]
    assert seven.endswith("99.83 / 94.51 / 98.13")
    call_command("train_margins", *options, "--steps", "1")  # all are there: nothing is trained twice
    assert capsys.readouterr().out.splitlines()[-8:] == [one, two, three, four, five, six, seven, eight]


@pytest.fixture
def gallery(db):
    """Eighteen people with four faces each, in crops where faces are already aligned; and one with a single face."""
    found = GalleryFactory(slug="staff", pack="first")
    chips, labels = patterns(19, 4, size=112, noise=70)
    people = [IdentityFactory(gallery=found) for _ in range(19)]
    for chip, label in list(zip(chips, labels, strict=True))[:-3]:
        sample = SampleFactory(identity=people[label])
        FaceCrop.objects.filter(sample=sample).update(
            jpeg=jpeg(chip), width=112, height=112, landmarks=ARCFACE_TARGETS.tolist()
        )
    return found


@pytest.fixture
def first(place, settings):
    """A pack with an untrained net."""
    import_mxnet(threads=1)
    export_pack(
        new_net("mbf", 32, 0, 0.125),
        PackFacts("first", "our own", "dlib-resnet"),
        settings.MODELS_DIR,
        say=lambda text: None,
    )
    return settings.MODELS_DIR / "first"


FINETUNE = ["finetune", "--gallery", "staff", *PACK, "--batch", "20", "--threads", "1"]


def test_a_fine_tuned_net_that_is_better_becomes_a_pack(first, gallery, settings, capsys):
    call_command(*FINETUNE, "--steps", "20", "--lr", "0.02", "--clip", "1", "--no-frozen-batchnorm")
    out = capsys.readouterr().out
    assert "72 faces of 18 people; 8 of them are held out to judge by." in out
    assert "Accepted: accuracy on 8 people held out" in out
    manifest = load_manifest(settings.MODELS_DIR / "mine")
    assert manifest.measured_on == "8 people of a gallery, kept out of the fine-tuning"
    gallery.refresh_from_db()
    assert gallery.pack == "first"
    events = AuditEvent.objects.order_by("id").values_list("action", "via", "details__pack")
    assert list(events) == [("finetuning.started", "cli", "first"), ("finetuning.accepted", "cli", "mine")]
    assert not list((settings.DATA_DIR / "training").iterdir())


def test_one_that_is_not_better_is_refused(first, gallery, settings, capsys):
    with pytest.raises(CommandError, match="No pack was made: first remains"):
        call_command(*FINETUNE, "--steps", "1", "--lr", "1e-9")
    assert "Refused: accuracy on 8 people held out" in capsys.readouterr().out
    assert not (settings.MODELS_DIR / "mine").exists()
    assert AuditEvent.objects.filter(action="finetuning.refused", details__people=8).count() == 1


def test_a_gallerys_faces_are_its_owners_to_train_on(gallery):
    arcface = ALIGNMENTS["arcface-112"]
    for role in (Role.VIEWER, Role.CURATOR):
        with pytest.raises(NotAllowed):
            take_faces_for_finetuning(actor=member(gallery, role), gallery=gallery, pack="first", alignment=arcface)
    assert not AuditEvent.objects.exists()
    gallery.identities.order_by("id").first().samples.update(rejected=True)
    taken = take_faces_for_finetuning(
        actor=member(gallery, Role.OWNER), gallery=gallery, pack="first", alignment=arcface
    )
    assert (taken.faces.classes, len(taken.faces.labels), taken.held_out) == (17, 68, 8)
    assert taken.faces.chip(0).shape == (112, 112, 3)
    event = AuditEvent.objects.get()
    assert (event.action, event.details) == ("finetuning.started", {"pack": "first", "people": 17, "faces": 68})


def test_too_few_people_to_be_judged_by(first, gallery):
    gallery.identities.exclude(pk=gallery.identities.first().pk).delete()
    with pytest.raises(CommandError, match=r"1 people of the gallery .* needs 16"):
        call_command(*FINETUNE)
    assert not AuditEvent.objects.filter(action__startswith="finetuning").exists()
    with pytest.raises(CommandError, match="There is no gallery “x”"):
        call_command("finetune", "--gallery", "x", *PACK)
