"""The audit's events in words: what was done, as the rest of a sentence that begins with who did it, and what else is known."""

import re
from typing import Any

from accounts.models import AuditEvent

MOST_TOLD, LONGEST = 8, 80  # values of a list, characters of a value
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# {name} stands for what it was done to. Actions that are not here are told by their code.
SENTENCES = {
    "alert_rule.created": "made the alert rule {name}",
    "alert_rule.changed": "changed the alert rule {name}",
    "alert_rule.deleted": "deleted the alert rule {name}",
    "api_key.created": "made an API key, {name}",
    "api_key.revoked": "ended the API key {name}",
    "api_key.rotated": "replaced the API key {name}",
    "attendance.corrected": "corrected a day of {name}",
    "attendance.correction_withdrawn": "took a correction of a day of {name} back",
    "backup.made": "made the backup {name}",
    "backup.restored": "restored a backup",
    "camera.changed": "changed the camera {name}",
    "camera.created": "added the camera {name}",
    "camera.deleted": "deleted the camera {name}",
    "change.undone": "undid a change",
    "evaluation.recorded": "recorded the evaluation {name}",
    "factor.added": "added a second factor to {name}",
    "factor.made": "made recovery codes for {name}",
    "factor.removed": "removed a second factor of {name}",
    "face.confirmed": "confirmed that a face in a photo is {name}",
    "face.named": "said that a face in a photo is {name}",
    "factor.reset": "took the second factors of {name} away",
    "finetuning.started": "began to fine-tune on {name}",
    "gallery.calibration_requested": "had the errors of {name} measured",
    "gallery.health_requested": "had {name} checked",
    "gallery.calibrated": "put a calibrated threshold of {name} in force",
    "gallery.changed": "changed the settings of {name}",
    "gallery.closed": "deleted the gallery {name}",
    "gallery.created": "made the gallery {name}",
    "gallery.pack_changed": "gave {name} another model pack",
    "gallery.reembedding_started": "began to embed the faces of {name} again",
    "gallery.reembedding_stopped": "stopped embedding the faces of {name} again",
    "gallery.reopened": "undid the deletion of the gallery {name}",
    "gallery.vectors_forgotten": "deleted vectors of other packs in {name}",
    "group.changed": "renamed the group {name}",
    "group.created": "made the group {name}",
    "group.deleted": "deleted the group {name}",
    "group.rights_set": "set the rights of the group {name}",
    "health.dismissed": "marked a finding about {name} as fine",
    "health.restored": "showed a finding about {name} again",
    "identity.changed": "changed {name}",
    "identity.created": "added {name}",
    "identity.deleted": "deleted {name}",
    "identity.erased": "erased somebody or something for good: {name}",
    "identity.exported": "downloaded everything about {name}",
    "identity.merged": "merged people into {name}",
    "identity.split": "split faces off {name}",
    "import.created": "started the import {name}",
    "import.ended": "ended the import {name}",
    "import.resumed": "resumed the import {name}",
    "import.stopped": "stopped the import {name}",
    "kiosk.ended": "ended the kiosk {name}",
    "kiosk.made": "made the kiosk {name}",
    "kiosk.started": "started the kiosk {name}",
    "member.removed": "took {name} out of the gallery",
    "member.set": "gave {name} a role",
    "people.changed": "changed several people at once, {name} among them",
    "people.arrived": "moved people here from another gallery, {name} among them",
    "people.deleted": "deleted several people at once, {name} among them",
    "people.moved": "moved people to another gallery, {name} among them",
    "recognition.answered": "got the answer to: {name}",
    "recognition.deleted": "deleted the recognition {name}",
    "recognition.live": "recognised live pictures in {name}",
    "recognition.requested": "sent a photo: {name}",
    "retention.applied": "deleted what was past its retention in {name}",
    "retention.changed": "changed how long {name} keeps things",
    "sample.created": "enrolled {name}",
    "sample.deleted": "deleted the face {name}",
    "sample.moved": "moved the face {name}",
    "sample.rejected": "said that a face is not {name}",
    "samples.deleted": "deleted faces of {name}",
    "samples.moved": "moved faces of {name} to somebody else",
    "samples.rejected": "said that faces are not {name}",
    "session.ended": "ended a session of {name}",
    "sighting.confirmed": "confirmed a sighting of {name}",
    "sighting.corrected": "corrected a sighting of {name}",
    "sign_in.succeeded": "signed in",
    "sign_in.throttled": "failed too often to sign in as {name}",
    "unknown.denied": "said who an unknown person is not: {name}",
    "unknown.ignored": "ignored {name}",
    "unknown.merged": "merged unknown people into {name}",
    "unknown.named": "named an unknown person {name}",
    "unknown.shown": "showed {name} again",
    "unknown.split": "split {name}",
    "user.changed": "changed the account {name}",
    "user.created": "made the account {name}",
    "user.deleted": "deleted the account {name}",
    "user.link_made": "made a link for {name} to choose a password",
    "user.linked": "linked the account {name} with single sign-on",
    "user.password_changed": "changed the own password",
    "user.password_chosen": "chose a password for {name}",
    "user.password_set": "gave {name} a new password",
    "user.rights_set": "set the rights of {name}",
    "user.unlocked": "unlocked {name}",
    "vector.compared": "compared vectors in {name}",
    "vector.searched": "searched for vectors in {name}",
    "webhook_endpoint.changed": "changed a webhook",
    "webhook_endpoint.created": "added a webhook",
    "webhook_endpoint.deleted": "deleted a webhook",
    "webhook_endpoint.secret_replaced": "gave a webhook another secret",
    "webhook_endpoint.switched_off": "switched a webhook off",
    "webhook_endpoint.switched_on": "switched a webhook on",
}


def sentence_parts(event: AuditEvent) -> tuple[str, str, str]:
    """Before, the name of what it was done to, and after; the name is empty where the sentence has none."""
    words = SENTENCES.get(event.action, f"{event.action.replace('.', ' ').replace('_', ' ')}: {{name}}")
    before, there, after = words.partition("{name}")
    return before, (event.object_name or "something") if there else "", after


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
    old, new = (_in_words(one) or "nothing" for one in value)
    return f"{old} → {new}" if not any(map(_is_id, value)) else ""


def _label(name: str) -> str:
    return SENTENCES.get(name, name).replace("_", " ").replace(" {name}", "")


def _in_words(value: Any) -> str:
    """Empty for what says nothing to people."""
    if isinstance(value, dict):
        return ", ".join(f"{_label(str(key))} {words}" for key, one in value.items() if (words := _in_words(one)))
    if isinstance(value, list):
        told = [words for one in value[:MOST_TOLD] if (words := _in_words(one))]
        return ", ".join(told) + (f" and {len(value) - MOST_TOLD} more" if told and len(value) > MOST_TOLD else "")
    return "" if _is_id(value) else _plain(value)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = SENTENCES.get(value, value).replace(" {name}", "") if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
