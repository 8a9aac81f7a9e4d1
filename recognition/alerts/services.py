"""Writes of people: rules, endpoints, what was seen, what is sent again."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.roles import Role, Scope
from faceplatform.addresses import AddressNotAllowed, checked_addresses, networks_of
from faceplatform.errors import Conflict, InvalidInput
from faceplatform.sealed import seal
from faceplatform.text import clean_name
from gallery.models import Gallery
from recognition.alerts.models import (
    OLD_SECRET_SIGNS,
    Alert,
    AlertKind,
    AlertRule,
    AlertSeen,
    DeliveryStatus,
    WebhookDelivery,
    WebhookEndpoint,
)
from recognition.alerts.outbox import TEST, put, wake
from recognition.alerts.raising import camera_changed, raise_for
from recognition.alerts.representation import machine_of
from recognition.alerts.signing import new_secret

__all__ = [
    "camera_changed", "change_rule", "choose_kinds", "create_endpoint", "create_rule", "delete_endpoint", "delete_rule",
    "mark_seen", "raise_for", "replay", "rotate_secret", "send_test", "switch_endpoint",
]  # fmt: skip
RULE_FIELDS = (
    "name", "kind", "enabled", "weekdays", "starts_at", "ends_at", "min_score", "cooldown", "absent_after",
    "emails",
)  # fmt: skip
CHOSEN = ("cameras", "people", "but_not")
MOST_ENDPOINTS, MOST_RULES, MOST_EMAILS = 20, 100, 10  # of a gallery; of a rule


# --- Rules ------------------------------------------------------------------------------------------------------------
@audited
def create_rule(*, actor: Actor, gallery: Gallery, **fields: Any) -> AlertRule:
    """fields: of RULE_FIELDS, and rows for CHOSEN. Raises NotAllowed below owners, InvalidInput, Conflict (too many)."""
    _require_owner(actor, gallery)
    if AlertRule.objects.filter(gallery=gallery).count() >= MOST_RULES:
        raise Conflict(_("A gallery has at most %(most)s rules. Delete one first.") % {"most": MOST_RULES})
    return _save_rule(actor, AlertRule(gallery=gallery), fields, "alert_rule.created")


@audited
def change_rule(*, actor: Actor, rule: AlertRule, **fields: Any) -> AlertRule:
    """Raises as `create_rule`."""
    _require_owner(actor, rule.gallery)
    return _save_rule(actor, rule, fields, "alert_rule.changed")


@audited
def delete_rule(*, actor: Actor, rule: AlertRule) -> None:
    """Its alerts stay."""
    _require_owner(actor, rule.gallery)
    audit.record(actor=actor, action="alert_rule.deleted", gallery=rule.gallery, target=rule)
    rule.delete()


def _save_rule(actor: Actor, rule: AlertRule, fields: Mapping[str, Any], action: str) -> AlertRule:
    for name in RULE_FIELDS:
        if name in fields:
            setattr(rule, name, clean_name(fields[name]) if name == "name" else fields[name])
    chosen = {name: list(fields[name]) for name in CHOSEN if name in fields}
    _validate(rule)
    people = chosen.get("people", [] if rule._state.adding else rule.about)
    if rule.kind == AlertKind.WATCH_LIST and not people:
        raise InvalidInput(_("Choose the people of the watch-list."))
    if len(rule.emails) > MOST_EMAILS:
        raise InvalidInput(
            _("A rule tells at most %(most)s e-mail addresses. Use a mailing list for more.") % {"most": MOST_EMAILS}
        )
    _require_own(rule.gallery, [row for rows in chosen.values() for row in rows])
    rule.save()
    for name, rows in chosen.items():
        getattr(rule, name).set(rows)
    audit.record(
        actor=actor,
        action=action,
        gallery=rule.gallery,
        target=rule,
        details={"kind": rule.kind, "enabled": rule.enabled},
    )
    return rule


def _require_own(gallery: Gallery, rows: Iterable[Any]) -> None:
    if any(row.gallery_id != gallery.pk for row in rows):
        raise InvalidInput(_("A rule's cameras and people are of its own gallery."))


def _validate(row: AlertRule | WebhookEndpoint) -> None:
    try:
        row.full_clean(exclude=["gallery"])
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages)) from error


def _require_owner(actor: Actor, gallery: Gallery) -> None:
    actor.require_scope(Scope.MANAGE)
    actor.require_role(gallery, Role.OWNER)


# --- Alerts -----------------------------------------------------------------------------------------------------------
def mark_seen(*, actor: Actor, alerts: QuerySet[Alert]) -> int:
    """Notes that the actor's user has looked at these, which they may see. Returns how many were new to them."""
    actor.require_scope(Scope.READ)
    if actor.user is None:
        return 0
    rows: Any = alerts
    unseen = rows.unseen_by(actor.user).order_by().values_list("pk", flat=True)
    made = [AlertSeen(alert_id=pk, user=actor.user) for pk in unseen.iterator()]
    AlertSeen.objects.bulk_create(made, batch_size=1_000, ignore_conflicts=True)
    return len(made)


# --- Endpoints --------------------------------------------------------------------------------------------------------
def create_endpoint(
    *, actor: Actor, gallery: Gallery, url: str, kinds: Iterable[str] = ()
) -> tuple[WebhookEndpoint, str]:
    """Returns the endpoint and its secret, which is not shown again.

    Raises NotAllowed below owners, InvalidInput if the address may not be called, Conflict if there are too many.
    """
    _require_owner(actor, gallery)
    _check_url(url)
    secret = new_secret()
    return _insert_endpoint(actor=actor, gallery=gallery, url=url, kinds=list(kinds), secret=secret), secret


@audited
def _insert_endpoint(*, actor: Actor, gallery: Gallery, url: str, kinds: list[str], secret: str) -> WebhookEndpoint:
    if WebhookEndpoint.objects.filter(gallery=gallery).count() >= MOST_ENDPOINTS:
        raise Conflict(_("A gallery has at most %(most)s endpoints. Delete one first.") % {"most": MOST_ENDPOINTS})
    endpoint = WebhookEndpoint(gallery=gallery, url=url, kinds=kinds, secret=seal(secret))
    _validate(endpoint)
    endpoint.save()
    _record(actor, "webhook_endpoint.created", endpoint)
    return endpoint


def _check_url(url: str) -> None:
    """Raises InvalidInput. Asks DNS, so not in a transaction."""
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        raise InvalidInput(_("This is no web address.")) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or any(ord(c) <= 32 for c in url):
        raise InvalidInput(_("The address has to begin with https:// or http:// and a name."))
    if parts.username or parts.password:
        raise InvalidInput(_("Leave user and password out of the address: messages are signed instead."))
    try:
        checked_addresses(parts.hostname, port, networks_of(settings.OUTGOING_NETWORKS))
    except AddressNotAllowed as error:
        raise InvalidInput(str(error)) from error
    except OSError:
        raise InvalidInput(_("There is no machine called %(name)s.") % {"name": parts.hostname}) from None


@audited
def rotate_secret(*, actor: Actor, endpoint: WebhookEndpoint) -> str:
    """Returns the new secret, which is not shown again. The old one signs too for a day."""
    endpoint = _locked(actor, endpoint)
    secret = new_secret()
    endpoint.old_secret, endpoint.old_secret_until = endpoint.secret, timezone.now() + OLD_SECRET_SIGNS
    endpoint.secret = seal(secret)
    endpoint.save(update_fields=["secret", "old_secret", "old_secret_until"])
    _record(actor, "webhook_endpoint.secret_replaced", endpoint)
    return secret


@audited
def choose_kinds(*, actor: Actor, endpoint: WebhookEndpoint, kinds: Iterable[str]) -> WebhookEndpoint:
    """What it is told from now on; everything if there are none. Raises InvalidInput."""
    endpoint = _locked(actor, endpoint)
    endpoint.kinds = list(kinds)
    _validate(endpoint)
    endpoint.save(update_fields=["kinds"])
    _record(actor, "webhook_endpoint.changed", endpoint)
    return endpoint


@audited
def switch_endpoint(*, actor: Actor, endpoint: WebhookEndpoint, enabled: bool) -> WebhookEndpoint:
    """Switched on again, what waits is sent."""
    endpoint = _locked(actor, endpoint)
    endpoint.enabled, endpoint.off_reason = enabled, ""
    endpoint.failing_since = None
    endpoint.save(update_fields=["enabled", "off_reason", "failing_since"])
    _record(actor, "webhook_endpoint.switched_on" if enabled else "webhook_endpoint.switched_off", endpoint)
    if enabled:
        wake(endpoint)
    return endpoint


@audited
def delete_endpoint(*, actor: Actor, endpoint: WebhookEndpoint) -> None:
    """With its deliveries."""
    endpoint = _locked(actor, endpoint)
    _record(actor, "webhook_endpoint.deleted", endpoint)
    endpoint.delete()


@audited
def send_test(*, actor: Actor, endpoint: WebhookEndpoint) -> WebhookDelivery:
    """A message of the type webhook.test."""
    endpoint = _locked(actor, endpoint)
    return put(endpoint, TEST, timezone.now(), {"gallery": endpoint.gallery.slug, "text": "This is a test."})


@audited
def replay(*, actor: Actor, delivery: WebhookDelivery) -> WebhookDelivery:
    """Sends a message again, with the same id and bytes. Raises Conflict while it still waits."""
    endpoint = _locked(actor, delivery.endpoint)
    row = WebhookDelivery.objects.select_for_update().get(pk=delivery.pk)
    if row.status == DeliveryStatus.WAITING:
        raise Conflict(_("It still waits to be delivered."))
    row.status, row.next_at, row.attempts = DeliveryStatus.WAITING, timezone.now(), 0
    row.save(update_fields=["status", "next_at", "attempts"])
    wake(endpoint)
    return row


def _locked(actor: Actor, endpoint: WebhookEndpoint) -> WebhookEndpoint:
    _require_owner(actor, endpoint.gallery)
    return WebhookEndpoint.objects.select_for_update(of=("self",)).select_related("gallery").get(pk=endpoint.pk)


def _record(actor: Actor, action: str, endpoint: WebhookEndpoint) -> None:
    details = {"machine": machine_of(endpoint.url)}
    audit.record(actor=actor, action=action, gallery=endpoint.gallery, details=details)
