"""The audit's events in words: what was done, as the rest of a sentence that begins with who did it, and what else is known."""

import re
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from accounts.models import AuditEvent
from accounts.roles import Role

MOST_TOLD, LONGEST = 8, 80  # values of a list, characters of a value
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# {name} stands for what it was done to. Actions that are not here are told by their code.
SENTENCES = {
    "alert_rule.created": gettext_lazy("made the alert rule {name}"),
    "alert_rule.changed": gettext_lazy("changed the alert rule {name}"),
    "alert_rule.deleted": gettext_lazy("deleted the alert rule {name}"),
    "api_key.created": gettext_lazy("made an API key, {name}"),
    "api_key.revoked": gettext_lazy("ended the API key {name}"),
    "api_key.rotated": gettext_lazy("replaced the API key {name}"),
    "attendance.corrected": gettext_lazy("corrected a day of {name}"),
    "attendance.correction_withdrawn": gettext_lazy("took a correction of a day of {name} back"),
    "backup.made": gettext_lazy("made the backup {name}"),
    "backup.restored": gettext_lazy("restored a backup"),
    "camera.changed": gettext_lazy("changed the camera {name}"),
    "camera.created": gettext_lazy("added the camera {name}"),
    "camera.deleted": gettext_lazy("deleted the camera {name}"),
    "change.undone": gettext_lazy("undid a change"),
    "evaluation.recorded": gettext_lazy("recorded the evaluation {name}"),
    "factor.added": gettext_lazy("added a second factor to {name}"),
    "factor.made": gettext_lazy("made recovery codes for {name}"),
    "factor.removed": gettext_lazy("removed a second factor of {name}"),
    "face.confirmed": gettext_lazy("confirmed that a face in a photo is {name}"),
    "face.named": gettext_lazy("said that a face in a photo is {name}"),
    "factor.reset": gettext_lazy("took the second factors of {name} away"),
    "finetuning.started": gettext_lazy("began to fine-tune on {name}"),
    "gallery.calibration_requested": gettext_lazy("had the errors of {name} measured"),
    "gallery.health_requested": gettext_lazy("had {name} checked"),
    "gallery.calibrated": gettext_lazy("put a calibrated threshold of {name} in force"),
    "gallery.changed": gettext_lazy("changed the settings of {name}"),
    "gallery.closed": gettext_lazy("deleted the gallery {name}"),
    "gallery.created": gettext_lazy("made the gallery {name}"),
    "gallery.pack_changed": gettext_lazy("gave {name} another model pack"),
    "gallery.reembedding_started": gettext_lazy("began to embed the faces of {name} again"),
    "gallery.reembedding_stopped": gettext_lazy("stopped embedding the faces of {name} again"),
    "gallery.reopened": gettext_lazy("undid the deletion of the gallery {name}"),
    "gallery.vectors_forgotten": gettext_lazy("deleted vectors of other packs in {name}"),
    "group.changed": gettext_lazy("renamed the group {name}"),
    "group.created": gettext_lazy("made the group {name}"),
    "group.deleted": gettext_lazy("deleted the group {name}"),
    "group.rights_set": gettext_lazy("set the rights of the group {name}"),
    "health.dismissed": gettext_lazy("marked a finding about {name} as fine"),
    "health.restored": gettext_lazy("showed a finding about {name} again"),
    "identity.changed": gettext_lazy("changed {name}"),
    "identity.created": gettext_lazy("added {name}"),
    "identity.deleted": gettext_lazy("deleted {name}"),
    "identity.erased": gettext_lazy("erased somebody or something for good: {name}"),
    "identity.exported": gettext_lazy("downloaded everything about {name}"),
    "identity.merged": gettext_lazy("merged people into {name}"),
    "identity.split": gettext_lazy("split faces off {name}"),
    "import.created": gettext_lazy("started the import {name}"),
    "import.ended": gettext_lazy("ended the import {name}"),
    "import.resumed": gettext_lazy("resumed the import {name}"),
    "import.stopped": gettext_lazy("stopped the import {name}"),
    "kiosk.ended": gettext_lazy("ended the kiosk {name}"),
    "kiosk.made": gettext_lazy("made the kiosk {name}"),
    "kiosk.started": gettext_lazy("started the kiosk {name}"),
    "member.removed": gettext_lazy("took {name} out of the gallery"),
    "member.set": gettext_lazy("gave {name} a role"),
    "people.changed": gettext_lazy("changed several people at once, {name} among them"),
    "people.arrived": gettext_lazy("moved people here from another gallery, {name} among them"),
    "people.deleted": gettext_lazy("deleted several people at once, {name} among them"),
    "people.moved": gettext_lazy("moved people to another gallery, {name} among them"),
    "recognition.answered": gettext_lazy("got the answer to: {name}"),
    "recognition.deleted": gettext_lazy("deleted the recognition {name}"),
    "recognition.live": gettext_lazy("recognised live pictures in {name}"),
    "recognition.requested": gettext_lazy("sent a photo: {name}"),
    "retention.applied": gettext_lazy("deleted what was past its retention in {name}"),
    "retention.changed": gettext_lazy("changed how long {name} keeps things"),
    "sample.created": gettext_lazy("enrolled {name}"),
    "sample.deleted": gettext_lazy("deleted the face {name}"),
    "sample.moved": gettext_lazy("moved the face {name}"),
    "sample.rejected": gettext_lazy("said that a face is not {name}"),
    "samples.deleted": gettext_lazy("deleted faces of {name}"),
    "samples.moved": gettext_lazy("moved faces of {name} to somebody else"),
    "samples.rejected": gettext_lazy("said that faces are not {name}"),
    "session.ended": gettext_lazy("ended a session of {name}"),
    "sighting.confirmed": gettext_lazy("confirmed a sighting of {name}"),
    "sighting.corrected": gettext_lazy("corrected a sighting of {name}"),
    "sign_in.succeeded": gettext_lazy("signed in"),
    "sign_in.throttled": gettext_lazy("failed too often to sign in as {name}"),
    "unknown.denied": gettext_lazy("said who an unknown person is not: {name}"),
    "unknown.ignored": gettext_lazy("ignored {name}"),
    "unknown.merged": gettext_lazy("merged unknown people into {name}"),
    "unknown.named": gettext_lazy("named an unknown person {name}"),
    "unknown.shown": gettext_lazy("showed {name} again"),
    "unknown.split": gettext_lazy("split {name}"),
    "user.changed": gettext_lazy("changed the account {name}"),
    "user.created": gettext_lazy("made the account {name}"),
    "user.deleted": gettext_lazy("deleted the account {name}"),
    "user.link_made": gettext_lazy("made a link for {name} to choose a password"),
    "user.linked": gettext_lazy("linked the account {name} with single sign-on"),
    "user.password_changed": gettext_lazy("changed the own password"),
    "user.password_chosen": gettext_lazy("chose a password for {name}"),
    "user.password_set": gettext_lazy("gave {name} a new password"),
    "user.rights_set": gettext_lazy("set the rights of {name}"),
    "user.unlocked": gettext_lazy("unlocked {name}"),
    "vector.compared": gettext_lazy("compared vectors in {name}"),
    "vector.searched": gettext_lazy("searched for vectors in {name}"),
    "webhook_endpoint.changed": gettext_lazy("changed a webhook"),
    "webhook_endpoint.created": gettext_lazy("added a webhook"),
    "webhook_endpoint.deleted": gettext_lazy("deleted a webhook"),
    "webhook_endpoint.secret_replaced": gettext_lazy("gave a webhook another secret"),
    "webhook_endpoint.switched_off": gettext_lazy("switched a webhook off"),
    "webhook_endpoint.switched_on": gettext_lazy("switched a webhook on"),
}

# What the details of an event are called; others by their names.
DETAILS = {
    "administrator": pgettext_lazy("detail", "administrator"),
    "added": pgettext_lazy("detail", "added"),
    "back": pgettext_lazy("detail", "back"),
    "by": pgettext_lazy("detail", "by"),
    "camera": pgettext_lazy("detail", "camera"),
    "deletes_at": pgettext_lazy("detail", "deletes at"),
    "distance": pgettext_lazy("detail", "distance"),
    "enabled": pgettext_lazy("detail", "enabled"),
    "enrolled": pgettext_lazy("detail", "enrolled"),
    "face": pgettext_lazy("detail", "face"),
    "faces": pgettext_lazy("detail", "faces"),
    "fields": pgettext_lazy("detail", "fields"),
    "from": pgettext_lazy("detail", "from"),
    "groups": pgettext_lazy("detail", "groups"),
    "identities": pgettext_lazy("detail", "identities"),
    "identity": pgettext_lazy("detail", "identity"),
    "invited": pgettext_lazy("detail", "invited"),
    "keys_ended": pgettext_lazy("detail", "keys ended"),
    "kind": pgettext_lazy("detail", "kind"),
    "limit": pgettext_lazy("detail", "limit"),
    "machine": pgettext_lazy("detail", "machine"),
    "measured_at": pgettext_lazy("detail", "measured at"),
    "merged": pgettext_lazy("detail", "merged"),
    "name": pgettext_lazy("detail", "name"),
    "new": pgettext_lazy("detail", "new"),
    "other": pgettext_lazy("detail", "other"),
    "pack": pgettext_lazy("detail", "pack"),
    "password": pgettext_lazy("detail", "password"),
    "people": pgettext_lazy("detail", "people"),
    "permissions": pgettext_lazy("detail", "permissions"),
    "photo": pgettext_lazy("detail", "photo"),
    "quality_gate": pgettext_lazy("detail", "quality gate"),
    "reason": pgettext_lazy("detail", "reason"),
    "recognition": pgettext_lazy("detail", "recognition"),
    "removed": pgettext_lazy("detail", "removed"),
    "resumed": pgettext_lazy("detail", "resumed"),
    "role": pgettext_lazy("detail", "role"),
    "sample": pgettext_lazy("detail", "sample"),
    "samples": pgettext_lazy("detail", "samples"),
    "scopes": pgettext_lazy("detail", "scopes"),
    "sighting": pgettext_lazy("detail", "sighting"),
    "sightings": pgettext_lazy("detail", "sightings"),
    "size": pgettext_lazy("detail", "size"),
    "status": pgettext_lazy("detail", "status"),
    "threshold": pgettext_lazy("detail", "threshold"),
    "to": pgettext_lazy("detail", "to"),
    "undone": pgettext_lazy("detail", "undone"),
    "unknown": pgettext_lazy("detail", "unknown"),
    "until": pgettext_lazy("detail", "until"),
    "vectors": pgettext_lazy("detail", "vectors"),
    "whole_gallery": pgettext_lazy("detail", "whole gallery"),
}
# Their values that are words.
VALUES = {role.name.capitalize(): role.label for role in Role}


def sentence_parts(event: AuditEvent) -> tuple[str, str, str]:
    """Before, the name of what it was done to, and after; the name is empty where the sentence has none."""
    words = SENTENCES.get(event.action, f"{event.action.replace('.', ' ').replace('_', ' ')}: {{name}}")
    before, there, after = words.partition("{name}")
    return before, (event.object_name or _("something")) if there else "", after


def actions_like(text: str) -> list[str]:
    """Those whose sentence contains `text`."""
    return [action for action, words in SENTENCES.items() if text.lower() in words.replace("{name}", "").lower()]


def facts(event: AuditEvent) -> list[str]:
    """The details, one phrase each: “role: Curator”, “name: Ada → Ada Lovelace”. Ids are left out: they say nothing."""
    changes = event.action.endswith(".changed") or event.action == "gallery.calibrated"
    phrases = [
        (name, _change(value) if changes and name != "fields" else _in_words(value))
        for name, value in event.details.items()
    ]
    return [f"{_label(name)}: {words}" for name, words in phrases if words]


def _change(value: Any) -> str:
    """value: [old, new], or something else."""
    if not (isinstance(value, list) and len(value) == 2):
        return _in_words(value)
    old, new = (_in_words(one) or _("nothing") for one in value)
    return f"{old} → {new}" if not any(map(_is_id, value)) else ""


def _label(name: str) -> str:
    """As a page calls it: an action by its sentence, a detail by its name."""
    return str(SENTENCES.get(name) or DETAILS.get(name) or name.replace("_", " ")).replace(" {name}", "")


def _in_words(value: Any) -> str:
    """Empty for what says nothing to people."""
    if isinstance(value, dict):
        return ", ".join(f"{_label(str(key))} {words}" for key, one in value.items() if (words := _in_words(one)))
    if isinstance(value, list):
        told = [words for one in value[:MOST_TOLD] if (words := _in_words(one))]
        words = ", ".join(told)
        more = len(value) - MOST_TOLD
        return (
            pgettext("list", "%(words)s and %(count)s more") % {"words": words, "count": more}
            if told and more > 0
            else words
        )
    return "" if _is_id(value) else _plain(value)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(SENTENCES.get(value) or VALUES.get(value) or value) if isinstance(value, str) else str(value)
    text = text.replace(" {name}", "")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
