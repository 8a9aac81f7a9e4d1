"""Writes: setting how long a gallery keeps things, and deleting what is past its retention."""

from collections.abc import Iterator, Mapping

from django.db import transaction

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import InvalidInput
from gallery.models import Gallery
from recognition.privacy.models import RetentionRule
from recognition.privacy.retention import CATEGORIES, DEFAULT, KEEP, days_in_force, due_rows, settings_of

BATCH = 200  # rows deleted per transaction
MAX_DAYS = 36_500


@audited
def set_retention(*, actor: Actor, gallery: Gallery, **rules: str) -> dict[str, str]:
    """Sets how long the gallery keeps each category: days, “keep” (for ever) or “default” (the installation's setting).

    Returns the settings of all categories. Raises NotAllowed, InvalidInput.
    """
    change_retention(actor=actor, gallery=gallery, rules=rules)
    return settings_of(gallery)


@audited
def change_retention(*, actor: Actor, gallery: Gallery, rules: Mapping[str, str]) -> AuditEvent | None:
    """The same; returns the event with which it can be undone, None if nothing was changed."""
    actor.require_scope(Scope.MANAGE)
    actor.require_role(gallery, Role.OWNER)
    if unknown := set(rules) - set(CATEGORIES):
        raise InvalidInput(f"There is no category {', '.join(sorted(unknown))}. Categories: {', '.join(CATEGORIES)}.")
    Gallery.objects.select_for_update(no_key=True).get(pk=gallery.pk)
    before = settings_of(gallery)
    changes = {name: [before[name], _valid_rule(rule)] for name, rule in rules.items() if rule != before[name]}
    write_rules(gallery, {name: rule for name, (_, rule) in changes.items()})
    if not changes:
        return None
    return audit.record(actor=actor, action="retention.changed", gallery=gallery, target=gallery, details=changes)


def write_rules(gallery: Gallery, rules: Mapping[str, str]) -> None:
    """Sets rules that are valid, without a word in the audit."""
    for name, rule in rules.items():
        if rule == DEFAULT:
            gallery.retention_rules.filter(category=name).delete()
            continue
        days = {"days": days_in_force(rule)}
        RetentionRule.objects.update_or_create(gallery=gallery, category=name, defaults=days)


def apply_retention(*, actor: Actor, gallery: Gallery) -> dict[str, int]:
    """Deletes what is past its retention, BATCH rows per transaction. Returns the count per category, and audits it."""
    actor.require_role(gallery, Role.OWNER)
    deleted = dict.fromkeys(CATEGORIES, 0)
    try:
        for name, setting in settings_of(gallery).items():
            for count in _delete_due(name, gallery, days_in_force(setting)):
                deleted[name] += count
    finally:
        if any(deleted.values()):
            audit.record(actor=actor, action="retention.applied", gallery=gallery, target=gallery, details=deleted)
    return deleted


def _delete_due(name: str, gallery: Gallery, days: int | None) -> Iterator[int]:
    category = CATEGORIES[name]
    rows = due_rows(category, gallery, days).order_by("pk")
    while keys := list(rows.values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            category.delete(rows.model.objects.filter(pk__in=keys))
        yield len(keys)


def _valid_rule(rule: str) -> str:
    if rule in (KEEP, DEFAULT):
        return rule
    if not (rule.isascii() and rule.isdigit() and len(rule) <= 9 and 1 <= int(rule) <= MAX_DAYS):
        raise InvalidInput(f"“{rule}” is not valid. Give days (1 to {MAX_DAYS}), “keep” or “default”.")
    return str(int(rule))
