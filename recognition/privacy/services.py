"""Writes: how long a gallery keeps things, and letting go what is past its time."""

from django.db import transaction

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.roles import Role, Scope
from faceplatform.errors import InvalidInput
from gallery.models import Gallery
from recognition.privacy.models import RetentionRule
from recognition.privacy.retention import CATEGORIES, DEFAULT, KEEP, days_in_force, due_rows, settings_of

BATCH = 200
LONGEST = 36_500  # days


@audited
def set_retention(*, actor: Actor, gallery: Gallery, **rules: str) -> dict[str, str]:
    """Sets how long the gallery keeps a category: days, “keep” (for ever) or “default” (the installation's)."""
    actor.require_scope(Scope.MANAGE)
    actor.require_role(gallery, Role.OWNER)
    if unknown := set(rules) - set(CATEGORIES):
        raise InvalidInput(f"There is no {', '.join(sorted(unknown))}. Categories: {', '.join(CATEGORIES)}.")
    Gallery.objects.select_for_update(no_key=True).get(pk=gallery.pk)
    before = settings_of(gallery)
    changes = {name: [before[name], _checked(rule)] for name, rule in rules.items() if rule != before[name]}
    for name, (_, rule) in changes.items():
        if rule == DEFAULT:
            gallery.retention_rules.filter(category=name).delete()
            continue
        days = {"days": days_in_force(rule)}
        RetentionRule.objects.update_or_create(gallery=gallery, category=name, defaults=days)
    if changes:
        audit.record(actor=actor, action="retention.changed", gallery=gallery, target=gallery, details=changes)
    return settings_of(gallery)


def apply_retention(*, actor: Actor, gallery: Gallery) -> dict[str, int]:
    """Lets go what is past its time, a few rows a transaction. Returns how many of each category went; audited."""
    actor.require_role(gallery, Role.OWNER)
    gone = dict.fromkeys(CATEGORIES, 0)
    try:
        for name, setting in settings_of(gallery).items():
            for count in _drop_due(name, gallery, days_in_force(setting)):
                gone[name] += count
    finally:
        if any(gone.values()):
            audit.record(actor=actor, action="retention.applied", gallery=gallery, target=gallery, details=gone)
    return gone


def _drop_due(name: str, gallery: Gallery, days: int | None):
    category = CATEGORIES[name]
    rows = due_rows(category, gallery, days).order_by("pk")
    while keys := list(rows.values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            category.drop(rows.model.objects.filter(pk__in=keys))
        yield len(keys)


def _checked(rule: str) -> str:
    if rule in (KEEP, DEFAULT):
        return rule
    if not (rule.isascii() and rule.isdigit() and 1 <= int(rule) <= LONGEST):
        raise InvalidInput(f"“{rule}” is no retention: give days (1 to {LONGEST}), “keep” or “default”.")
    return str(int(rule))
