"""The rows of sessions that have ended."""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db.models import Exists, OuterRef


def delete_ended() -> int:
    """Deletes sessions that have ended, and what was noted of them; returns of how many the second was deleted."""
    call_command("clearsessions")
    alive = Session.objects.filter(pk=OuterRef("session_key"))
    return UserSession.objects.filter(~Exists(alive)).delete()[0]
