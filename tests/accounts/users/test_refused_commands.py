"""Django's own commands for accounts would go round the audit."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import AuditEvent, User

MANAGE = Path(__file__).resolve().parents[3] / "manage.py"


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["createsuperuser", "changepassword"])
def test_they_name_the_one_that_is_audited_and_change_nothing(command):
    with pytest.raises(CommandError, match=r"manage\.py administrator NAME"):
        call_command(command)
    assert (User.objects.count(), AuditEvent.objects.count()) == (0, 0)


@pytest.mark.parametrize("arguments", [["createsuperuser", "--noinput", "--username", "x"], ["changepassword", "x"]])
def test_they_say_so_whatever_they_are_given(arguments):
    done = subprocess.run([sys.executable, str(MANAGE), *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "manage.py administrator NAME" in done.stderr
