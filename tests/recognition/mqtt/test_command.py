"""The setting, and what is said where something is missing."""

import importlib.util
import io

import pytest
from django.core.management import CommandError, call_command

from faceplatform import env
from faceplatform.setting_values import BrokerAddress
from recognition.management.commands import mqtt_publisher
from recognition.management.commands.up import Command as Up

URL = "FACEPLATFORM_MQTT_URL"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", None),
        ("mqtt://broker", BrokerAddress("broker", 1883, False, "", "")),
        ("mqtts://me:p%40ss%2F@[fd00::1]:884", BrokerAddress("fd00::1", 884, True, "me", "p@ss/")),
    ],
)
def test_an_address(text, address, monkeypatch):
    monkeypatch.setenv(URL, text)
    assert env.get(URL) == address


@pytest.mark.parametrize(
    "text", ["broker:1883", "http://broker", "mqtt://", "mqtt://b:99999", "mqtt://a:s3cret/x@b", "mqtt://b/x"]
)
def test_what_is_no_address_is_refused_and_not_repeated(text, monkeypatch):
    monkeypatch.setenv(URL, text)
    with pytest.raises(env.SettingError, match=f"{URL} cannot be used") as told:
        env.get(URL)
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize("text", ["", "a/#", "+", "$SYS", "a//b", "a b", "a" * 101])
def test_a_prefix_is_part_of_a_topic(text, monkeypatch):
    monkeypatch.setenv("FACEPLATFORM_MQTT_PREFIX", text)
    with pytest.raises(env.SettingError):
        env.get("FACEPLATFORM_MQTT_PREFIX")


def test_a_publisher_says_what_it_lacks(monkeypatch):
    with pytest.raises(CommandError, match="FACEPLATFORM_MQTT_URL is not set"):
        call_command("mqtt_publisher")
    monkeypatch.setenv(URL, "mqtt://broker")
    without_paho(monkeypatch)
    with pytest.raises(CommandError, match=r"python -m pip install -r requirements-mqtt\.txt"):
        call_command("mqtt_publisher")


def test_the_publisher_is_a_part_where_it_is_wanted_and_can_be(settings, monkeypatch):
    said = io.StringIO()
    up = Up(stdout=said)
    assert up._mqtt_parts(["manage.py"]) == []
    settings.TELLS_MQTT = True
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    [part] = up._mqtt_parts(["manage.py"])
    assert part.command == ["manage.py", "mqtt_publisher"] and not said.getvalue()
    without_paho(monkeypatch)
    assert up._mqtt_parts(["manage.py"]) == [] and mqtt_publisher.NO_PAHO in said.getvalue()


def without_paho(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
