"""A person's data as a ZIP: all of it, and nobody else's."""

import io
import json
import zipfile

import pytest
from api_client import client_of, problem
from factories import IdentityFactory, member, stranger
from subjects import erase

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import NotAllowed
from gallery.models import Identity
from recognition.photos.models import RecognitionFace
from recognition.photos.rejections import reject_identity
from recognition.privacy.export import begin_export, export_blocks
from recognition.privacy.subject import find_subject

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


def exported(person: Identity) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(export_blocks(find_subject(person.pk))))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def lines(files: dict[str, bytes], name: str) -> list[dict]:
    return [json.loads(line) for line in files[name].decode().splitlines()]


def test_an_export_holds_all_of_one_person_and_nobody_else(lived_in):
    grace, files = lived_in["grace"], exported(lived_in["grace"])
    people = json.loads(files["identity.json"])
    assert [person["name"] for person in people] == ["Grace Hopper", "Amazing Grace"]
    assert people[0]["metadata"] == {"rank": "rear admiral"}
    assert "Grace Murray" in [row["name"] for row in lines(files, "history.jsonl")]
    samples = lines(files, "samples.jsonl")
    assert {sample["photo_name"] for sample in samples} == {"grace_murray.jpg", "amazing.jpg"}
    assert {f"samples/{sample['id']}.jpg" for sample in samples} <= set(files)
    assert {row["dimensions"] for row in lines(files, "embeddings.jsonl")} == {128}
    found = lines(files, "recognitions.jsonl")
    assert {row["id"] for row in found} == {str(lived_in["alone"].pk), str(lived_in["both"].pk)}
    assert {name for row in found for name in (c["identity"] for c in row["candidates"])} == {
        "Grace Hopper", "(another person)"
    }  # fmt: skip
    pictures = [name for name in files if name.startswith("recognitions/")]
    assert len(pictures) == 2 and all(files[name].startswith(b"\xff\xd8") for name in pictures)
    assert [row["path"] for row in lines(files, "imports.jsonl")] == ["Grace Hopper/1.jpg"]
    done = lines(files, "audit.jsonl")
    assert {"identity.created", "identity.changed", "identity.merged", "sample.moved"} <= {
        row["action"] for row in done
    }
    assert set(files["README.txt"].decode().split()) >= {name for name in files if "/" not in name} - {"README.txt"}
    text = b"".join(data for name, data in files.items() if not name.endswith(".jpg"))
    assert b"eileen" not in text.lower() and str(lived_in["eileen"].pk).encode() not in text
    assert str(grace.pk).encode() in text


def test_not_x_is_honoured_in_the_export_and_an_erasure(lived_in):
    """A face corrected to “not Grace” is not hers; one corrected to “not Eileen”, with Grace as the next candidate, is."""
    grace, eileen = lived_in["grace"], lived_in["eileen"]
    face = lived_in["alone"].faces.get()
    reject_identity(actor=ACTOR, face=face, identity=grace)
    theirs = lived_in["eileen alone"].faces.get()
    theirs.candidates.filter(identity=grace).update(distance=0.1, rank=9)
    reject_identity(actor=ACTOR, face=theirs, identity=eileen)
    found = {row["id"] for row in lines(exported(grace), "recognitions.jsonl")}
    assert found == {str(lived_in["both"].pk), str(lived_in["eileen alone"].pk)}
    erase(grace)
    face.refresh_from_db()
    assert (face.decision, face.identity, len(face.crop) > 0) == ("unknown", None, True)
    assert not RecognitionFace.objects.filter(pk=theirs.pk).exists()


def test_only_curators_export(gallery):
    subject = find_subject(IdentityFactory(gallery=gallery).pk)
    for actor in (member(gallery, Role.VIEWER), stranger()):
        with pytest.raises(NotAllowed):
            begin_export(actor=actor, subject=subject)
    address = f"/api/v1/identities/{subject.people[0]}/export"
    problem(client_of(stranger()).get(address), 404, "not_found")
    problem(client_of(member(gallery, Role.VIEWER)).get(address), 403, "not_allowed")
    assert not AuditEvent.objects.exists()
    answer = client_of(member(gallery, Role.CURATOR)).get(address)
    assert zipfile.ZipFile(io.BytesIO(answer.getvalue())).namelist()[0] == "README.txt"
    assert AuditEvent.objects.get().action == "identity.exported"
