"""What a command says and returns that cannot do its work: one sentence, no traceback, and never a password."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "postgresql://somebody:hush-hush@127.0.0.1:9/nothing"


def manage(*arguments: str, data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    usual = {"FACEPLATFORM_DATA_DIR": str(data_dir), "DJANGO_SETTINGS_MODULE": "faceplatform.settings"}
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | usual | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """What was said, of a command that ended in a sentence."""
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said and "hush" not in said, said
    return said


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://somebody:100%hush@db/faces", "write % as %25"),
        ("postgresql://somebody:hush hush@db/faces", "a space as %20"),
        ("postgresql://somebody:1@hush@db/faces", "@ as %40"),
        ("postgresql://somebody:12/hush@db/faces", "/ as %2F"),
        ("postgresql://somebody:hush/hush@db/faces", "/ as %2F"),
        ("postgresql://somebody:hush@db:port/faces", "its port is none"),
        ("postgresql://somebody:hush@db:70000/faces", "its port is none"),
        ("postgresql://somebody:hush@db/faces?colour=hush", "it is no postgresql:// address"),
        ("postgresql://somebody:hush@db", "it names no database"),
        ("mysql://somebody:hush@db/faces", "it is no postgresql:// address"),
    ],
)
def test_a_database_url_that_cannot_be_read_is_not_repeated(url, told, tmp_path):
    said = refused(manage("check", data_dir=tmp_path, DATABASE_URL=url))
    assert said.startswith("DATABASE_URL cannot be used (") and told in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("text", ["postgresql://u:100%25%20%40@db:5432/faces", "host=db dbname=faces password='a b%'"])
def test_a_password_may_hold_any_character(text):
    from faceplatform.setting_values import database_url

    assert database_url(text) == text


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("FACEPLATFORM_TIME_ZONE", "Europe", "no time zone"),
        ("FACEPLATFORM_TIME_ZONE", "Mars/Olympus", "no time zone"),
        ("FACEPLATFORM_TIME_ZONE", "../../etc/passwd", "no time zone"),
        ("FACEPLATFORM_TIME_ZONE", "", "no time zone"),
        ("FACEPLATFORM_LOG_LEVEL", "loud", "DEBUG, INFO"),
        ("FACEPLATFORM_PORT", "99999999", "65535"),
        ("FACEPLATFORM_PORT", "http", "FACEPLATFORM_PORT"),
        ("FACEPLATFORM_STATEMENT_SECONDS", "99999999999", "a number from 0 to"),
        ("FACEPLATFORM_PURGE_DAYS", "999999", "a number from 1 to"),
        ("FACEPLATFORM_DATA_DIR", "/dev/null", "FACEPLATFORM_DATA_DIR"),
        ("FACEPLATFORM_DATA_DIR", "/dev/null/inside", "FACEPLATFORM_DATA_DIR"),
        ("FACEPLATFORM_DATA_DIR", "/tmp/" + "long" * 100, "FACEPLATFORM_DATA_DIR"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name, text, told, tmp_path):
    said = refused(manage("check", data_dir=tmp_path, **{name: text}))
    assert told in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_secret_key_that_was_lost_is_told(content, tmp_path):
    (tmp_path / "secret_key").write_bytes(content)
    assert "holds no key" in refused(manage("check", data_dir=tmp_path))
    assert (tmp_path / "secret_key").read_bytes() == content


@pytest.mark.parametrize("command", [["recognize", "x.jpg", "--gallery", "staff"], ["job_worker"], ["migrate"]])
def test_a_database_out_of_reach_is_told_with_the_reason(command, tmp_path):
    said = refused(manage(*command, data_dir=tmp_path, DATABASE_URL=NOWHERE, FACEPLATFORM_LOG_LEVEL="ERROR"))
    assert "The database cannot be reached." in said and "Connection refused" in said and "port 9" in said


def test_an_argument_that_is_no_text_is_told(tmp_path):
    said = refused(
        manage("recognize", os.fsdecode(b"\xff.jpg"), "--gallery", "staff", data_dir=tmp_path, DATABASE_URL=NOWHERE)
    )
    assert "cannot be reached" in said


def test_an_embedded_database_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")
    said = refused(manage("migrate", data_dir=tmp_path, DATABASE_URL=""))
    assert "The database cannot be reached." in said and "PostgreSQL does not start. The end of its log:" in said


def test_debug_logs_hold_no_password(tmp_path):
    refused(manage("migrate", data_dir=tmp_path, DATABASE_URL=NOWHERE, FACEPLATFORM_LOG_LEVEL="DEBUG"))


def test_the_traceback_is_there_for_who_wants_it(tmp_path):
    done = manage("migrate", "--traceback", data_dir=tmp_path, DATABASE_URL=NOWHERE)
    assert done.returncode == 1 and "Traceback" in done.stderr and "hush" not in done.stderr


def test_the_url_is_no_setting_that_a_debug_page_would_show():
    from django.conf import settings

    assert not hasattr(settings, "DATABASE_URL")
