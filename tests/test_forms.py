"""No form refuses in silence: a value that a field cannot take shows a message on the page that follows."""

import html
import re
from importlib import import_module

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member

from accounts.roles import Role
from gallery.models import Gallery, Identity

pytestmark = pytest.mark.django_db

LONG, NUL, NOBODY, CHOICE = "x" * 2001, "a\0b", "01a20b77-0000-7000-8000-000000000000", "no such choice"
PERSON = "/galleries/staff/people/{pk}/"
# Address → form, the values of a valid post (files by the name “file”), and field → values that it cannot take. A check box
# takes anything.
FORMS: dict[str, tuple[str, dict, dict[str, list]]] = {
    "/galleries/new": ("gallery.forms.GalleryForm", {"name": "Staff"}, {"name": ["", LONG, NUL]}),
    PERSON + "details": (
        "gallery.forms.IdentityForm",
        {"name": "Ada"},
        {
            "name": ["", LONG, NUL],
            "external_id": [LONG, NUL],
            "department": [LONG, NUL],
            "position": [LONG, NUL],
            "seen": ["yesterday", NUL],
        },
    ),
    PERSON + "consent": (
        "gallery.forms.ConsentForm",
        {"consent": "given", "consent_by": "Ada", "consent_at": "2026-01-01"},
        {
            "consent": [CHOICE, NUL],
            "consent_by": ["", LONG, NUL],
            "consent_at": ["", "soon", NUL],
            "consent_until": ["soon", "2020-01-01", NUL],
            "consent_note": [LONG, NUL],
            "seen": ["yesterday", NUL],
        },
    ),
    PERSON + "delete-samples": ("gallery.forms.SamplesForm", {}, {"samples": [[], [NOBODY], ["x"], [NUL]]}),
    PERSON + "split": (
        "gallery.forms.SplitForm",
        {"samples": ["SAMPLE"], "name": "Berta"},
        {"samples": [[], [NOBODY], ["x"], [NUL]], "name": ["", LONG, NUL]},
    ),
    PERSON + "merge": ("gallery.forms.OtherPersonForm", {}, {"to": ["", NOBODY, "x", NUL]}),
    PERSON + "move": (
        "gallery.forms.MoveForm",
        {"samples": ["SAMPLE"], "to": "OTHER"},
        {"samples": [[], [NOBODY], ["x"], [NUL]], "to": ["", NOBODY, "x", NUL]},
    ),
    PERSON + "photos": ("recognition.photos.forms.MorePhotosForm", {}, {"photos": [[]]}),
    PERSON + "erase": (
        "recognition.privacy.forms.EraseForm",
        {"confirm": "Ada", "reason": "Asked for it"},
        {"confirm": ["", "Somebody", LONG, NUL], "reason": ["", LONG, NUL]},
    ),
    "/galleries/staff/delete": (
        "recognition.privacy.forms.DeleteGalleryForm",
        {"confirm": "Staff", "reason": "Closed"},
        {"confirm": ["", "Another", LONG, NUL], "reason": [LONG, NUL]},
    ),
    "/galleries/staff/recognise": ("recognition.photos.forms.RecogniseForm", {}, {"photo": ["", "text", b""]}),
    "/galleries/staff/add-faces": (
        "recognition.photos.forms.AddFacesForm",
        {"name": "Berta", "photos": b"photo", "consent_by": "Berta", "consent_at": "2026-01-01"},
        {
            "photos": [[]],
            "name": ["", LONG, NUL],
            "department": [LONG, NUL],
            "position": [LONG, NUL],
            "external_id": [LONG, NUL],
            "consent_by": ["", LONG, NUL],
            "consent_at": ["", "soon", NUL],
            "consent_until": ["soon", NUL],
        },
    ),
    "/galleries/staff/imports": (
        "recognition.imports.forms.ImportForm",
        {"file": b"no ZIP"},
        {"file": ["", b"", b"no ZIP"], "quality_gate": [CHOICE, NUL]},
    ),
    "/galleries/staff/privacy": (
        "recognition.privacy.forms.RetentionForm",
        {},
        {"*": [CHOICE, NUL, ""]},
    ),
    "/galleries/staff/cameras/new": (
        "recognition.cameras.forms.CameraForm",
        {
            "name": "Door",
            "kind": "rtsp",
            "address": "rtsp://10.0.0.1/",
            "role": "both",
            "fps": "4",
            "min_face_px": "48",
            "min_frames": "3",
        },
        {
            "name": ["", LONG, NUL],
            "kind": ["", CHOICE, NUL, "file"],
            "address": ["", LONG, NUL, "rtsp://127.0.0.1/", "door.mp4"],
            "user": [LONG, NUL],
            "password": [LONG, NUL],
            "role": ["", CHOICE, NUL],
            "fps": ["", "many", "0", "16", "nan", NUL],
            "min_face_px": ["", "5", "1000", NUL],
            "min_frames": ["", "0", "11", NUL],
            "masks": ["{", "7", "[[[0, 0], [1, 1]]]", "[" * 5000, NUL],
            "retention_days": ["0", "-1", "9" * 20, NUL],
            "unknown_retention_days": ["0", "-1", "9" * 20, NUL],
        },
    ),
    "/galleries/staff/cameras/try": (
        "recognition.cameras.forms.TryForm",
        {"kind": "rtsp", "address": "rtsp://10.0.0.1/"},
        {
            "kind": ["", CHOICE, NUL, "webcam"],
            "address": ["", LONG, NUL, "rtsp://127.0.0.1/"],
            "user": [LONG, NUL],
            "password": [LONG, NUL],
            "camera": ["x", NUL],
        },
    ),
    "/galleries/staff/alerts/rules/new": (
        "recognition.alerts.forms.RuleForm",
        {"name": "Door", "kind": "known", "weekdays": ["0"], "minutes": "5"},
        {
            "name": ["", LONG, NUL],
            "kind": ["", CHOICE, NUL, "watch_list", "absent"],
            "cameras": [[NOBODY], ["x"], [NUL]],
            "people": [[NOBODY], ["x"], [NUL]],
            "but_not": [[NOBODY], ["x"], [NUL]],
            "weekdays": [[], ["7"], [NUL]],
            "starts_at": ["08:00", "soon", NUL],
            "ends_at": ["08:00", "soon", NUL],
            "absent_after": ["soon", NUL],
            "min_score": ["2", "nan", "high", NUL],
            "minutes": ["", "-1", "1441", NUL],
            "emails": ["nobody", LONG, NUL],
        },
    ),
    "/galleries/staff/alerts/webhooks": (
        "recognition.alerts.forms.EndpointForm",
        {"url": "http://192.168.1.1/"},
        {"url": ["", "x", "http://127.0.0.1/", LONG, NUL], "kinds": [[CHOICE], [NUL]]},
    ),
    "/galleries/staff/calibration/measure": (
        "recognition.calibration.views.FpirForm",
        {},
        {"percent": ["", "much", "-1", "101", "nan", NUL]},
    ),
    "/galleries/staff/settings": (
        "recognition.gallery_settings.forms.GeneralForm",
        {"name": "Staff", "time_zone": "Europe/Berlin", "day_starts_at": "05:30"},
        {"name": ["", LONG, NUL], "time_zone": [CHOICE, NUL], "day_starts_at": ["", "noon", NUL]},
    ),
    "/galleries/staff/settings/recognition": (
        "recognition.gallery_settings.forms.CarefulForm",
        {"target_fpir": "0.01", "threshold_source": "manual", "threshold_distance": "0.5"},
        {
            "target_fpir": ["", CHOICE, NUL],
            "threshold_source": ["", CHOICE, NUL],
            "threshold_distance": ["", "far", "-1", "nan", NUL],
        },
    ),
    "/galleries/staff/settings/recognition?photos": (
        "recognition.gallery_settings.forms.PhotosForm",
        {"quality_gate": "standard"},
        {"quality_gate": ["", CHOICE, NUL]},
    ),
    "/galleries/staff/settings/members": (
        "recognition.gallery_settings.forms.MemberForm",
        {"username": "grace", "role": "10"},
        {"username": ["", LONG, NUL], "email": ["nowhere", NUL], "role": ["", CHOICE, NUL]},
    ),
    "/api-keys": (
        "accounts.keys.forms.ApiKeyForm",
        {"name": "door", "scopes": ["read"], "days": "30"},
        {
            "name": ["", LONG, NUL],
            "gallery": [NOBODY, "x", NUL],
            "scopes": [[], [CHOICE], [NUL]],
            "days": [CHOICE, NUL],
        },
    ),
}
SHOWN = re.compile(
    r'<(?:small|p|div)[^>]*(?:role="alert"|class="notice error")[^>]*>(.*?)</(?:small|p|div)>', re.DOTALL
)


@pytest.fixture
def owner(client):
    gallery = GalleryFactory(slug="staff", requires_consent=True)
    for name in ("Ada", "Other"):
        person = IdentityFactory(gallery=gallery, name=name)
        SampleFactory(identity=person)
        SampleFactory(identity=person)
    user = member(gallery, Role.OWNER).user
    user.is_staff = True
    user.save()
    client.force_login(user)
    return client


def errors_after(client, address: str, values: dict) -> str:
    """The texts of the errors on the page that answers."""
    ada, other = Identity.objects.get(name="Ada"), Identity.objects.get(name="Other")
    named = {"SAMPLE": str(ada.samples.first().pk), "OTHER": str(other.pk)}
    values = {
        name: SimpleUploadedFile("photo", value)
        if isinstance(value, bytes)
        else [named.get(one, one) for one in value]
        if isinstance(value, list)
        else named.get(value, value)
        for name, value in values.items()
    }
    response = client.post(address.format(pk=ada.pk), values, follow=True)
    assert response.status_code in (200, 400, 409, 422), response.status_code
    page = response.content.decode()
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", text)).strip() for text in SHOWN.findall(page)).strip()


def cases():
    for address, (_, valid, bad) in FORMS.items():
        for field, values in bad.items():
            for number, value in enumerate(values):
                yield pytest.param(address, valid, field, value, id=f"{address}-{field}-{number}")


@pytest.mark.parametrize(("address", "valid", "field", "value"), list(cases()))
def test_a_value_that_cannot_be_taken_is_told(owner, address, valid, field, value):
    if field == "*":
        names = [name for name, one in _form(address).fields.items() if not isinstance(one, forms.BooleanField)]
        valid = dict.fromkeys(names, "default")
        for name in names:
            assert errors_after(owner, address, {**valid, name: value}), name
        return
    before = (Gallery.objects.count(), Identity.objects.count(), Identity.objects.get(name="Ada").samples.count())
    assert errors_after(owner, address, {**valid, field: value})
    assert before == (
        Gallery.objects.count(),
        Identity.objects.count(),
        Identity.objects.get(name="Ada").samples.count(),
    )


def _form(address: str) -> forms.BaseForm:
    module, _, name = FORMS[address][0].rpartition(".")
    form_class = getattr(import_module(module), name)
    arguments: dict[str, tuple] = {
        "SamplesForm": (Identity.objects.first(), None),
        "SplitForm": (Identity.objects.first(), None),
        "OtherPersonForm": (Identity.objects.first(), None),
        "MoveForm": (Identity.objects.first(), None),
        "RuleForm": (Gallery.objects.first(),),
        "GeneralForm": (Gallery.objects.first(),),
        "CarefulForm": (Gallery.objects.first(),),
        "PhotosForm": (Gallery.objects.first(),),
        "AddFacesForm": (Gallery.objects.first(),),
        "RetentionForm": (_retention(),),
        "ApiKeyForm": (member(Gallery.objects.first(), Role.OWNER),),
    }
    return form_class(*arguments.get(name, ()))


def _retention() -> dict[str, str]:
    from recognition.privacy.retention import settings_of

    return settings_of(Gallery.objects.first())


@pytest.mark.parametrize("address", FORMS)
def test_every_field_is_tried(owner, address):
    fields = {name for name, field in _form(address).fields.items() if not isinstance(field, forms.BooleanField)}
    tried = set(FORMS[address][2])
    assert tried in (fields, {"*"})


FORM_MODULES = (
    "accounts.keys.forms",
    "gallery.forms",
    "recognition.alerts.forms",
    "recognition.calibration.views",
    "recognition.cameras.forms",
    "recognition.gallery_settings.forms",
    "recognition.imports.forms",
    "recognition.photos.forms",
    "recognition.privacy.forms",
)
# The button “not X” and the choice of a role have no field to fill in: who is gone answers 404, no role 400, as a
# page. What a filter cannot read is no filter. The card of a face is tried in recognition/photos/test_recognition_pages.py.
NO_FIELDS_TO_FILL = {
    "recognition.alerts.forms.FilterForm",
    "recognition.alerts.forms.KindsForm",
    "recognition.gallery_settings.forms.RoleForm",
    "recognition.photos.forms.LivenessForm",
    "recognition.photos.forms.NameFaceForm",
    "recognition.photos.forms.NewFaceForm",
    "recognition.photos.forms.RecognitionsForm",
    "recognition.photos.forms.RejectForm",
    "recognition.photos.forms.ShownForm",
    "recognition.photos.forms.WithConsent",
}


def test_every_form_is_tried():
    found = {
        f"{module}.{name}"
        for module in FORM_MODULES
        for name, one in vars(import_module(module)).items()
        if isinstance(one, type) and issubclass(one, forms.BaseForm) and one.__module__ == module
    }
    assert found - NO_FIELDS_TO_FILL == {form for form, _, _ in FORMS.values()}


@pytest.mark.parametrize(
    "values", [{}, {"username": "a"}, {"username": "a", "password": "b"}, {"username": NUL, "password": NUL}]
)
def test_signing_in_tells_what_is_wrong(client, values):
    UserFactory()
    response = client.post("/sign-in", values)
    assert SHOWN.search(response.content.decode())


def test_an_advice_that_is_no_number_is_not_replaced_by_another(owner):
    assert "out of date" in errors_after(owner, "/galleries/staff/calibration/apply", {"fpir": "much"})
