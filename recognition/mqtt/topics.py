"""What is told under which topic.

Sightings and alerts are told once; who is there, and what Home Assistant needs to show it, is kept by the broker.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.urls import reverse

from faceplatform import __version__
from gallery.models import Gallery
from recognition.alerts.models import AlertKind, MqttMessage
from recognition.alerts.representation import alert_as_dict
from recognition.cameras.models import Camera, Sighting
from recognition.mqtt.broker import Message
from recognition.photos.models import Decision
from recognition.sightings.representation import sighting_as_dict

NOBODY = "nobody"
LONGEST_STATE = 255  # characters, of a state in Home Assistant
DISCOVERY = "homeassistant/device"
NAMES = (
    f"{{{{ (value_json.people | map(attribute='name') | unique(true) | join(', '))[:{LONGEST_STATE}] or '{NOBODY}' }}}}"
)
EVENT = "{{ {'event_type': value_json.kind, 'text': value_json.text, 'picture': value_json.picture} | to_json }}"


class Topics:
    """All topics below one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def available(self, *, online: bool) -> Message:
        return Message(f"{self.prefix}/available", "online" if online else "offline", retain=True)

    def told(self, row: MqttMessage) -> Message:
        """row: its sighting read by `with_people` and `with_faces`, or its alert by `with_all`."""
        if row.alert is not None:
            return Message(self._alerts(row.alert.gallery), _json(alert_as_dict(row.alert)))
        assert row.sighting is not None  # the constraint mqtt_message_tells_one
        values = sighting_as_dict(row.sighting) | {"picture": picture_of(row.sighting)}
        return Message(f"{self.prefix}/{row.sighting.gallery.slug}/sightings", _json(values))

    def kept(self) -> dict[str, str]:
        """Topic → what the broker is to keep there now. Last, that we are there: what was kept before counts for nothing."""
        galleries = Gallery.objects.filter(deletes_at=None)
        cameras = Camera.objects.filter(gallery__deletes_at=None).select_related("gallery").order_by("id")
        seen = _seen_now()
        kept: dict[str, str] = {}
        for gallery in galleries.order_by("id"):
            kept |= self._device(gallery.pk, gallery.name, "alerts", self._alert_component(gallery))
        for camera in cameras:
            here, topic = seen[camera.pk], self._person(camera)
            kept |= self._device(camera.pk, camera.name, "person", self._person_component(camera))
            kept[topic] = ", ".join(dict.fromkeys(name_of(row) for row in here))[:LONGEST_STATE] or NOBODY
            kept[f"{topic}/attributes"] = _json(_attributes(here))
        here_we_are = self.available(online=True)
        return kept | {here_we_are.topic: here_we_are.payload}

    def _alerts(self, gallery: Gallery) -> str:
        return f"{self.prefix}/{gallery.slug}/alerts"

    def _person(self, camera: Camera) -> str:
        return f"{self.prefix}/{camera.gallery.slug}/cameras/{camera.slug}/person"

    def _person_component(self, camera: Camera) -> dict[str, Any]:
        """State and attributes of one message: Home Assistant changes both at once, and an automation finds the right picture."""
        topic = f"{self._person(camera)}/attributes"
        return {
            "platform": "sensor",
            "name": "Person",
            "icon": "mdi:face-recognition",
            "state_topic": topic,
            "value_template": NAMES,
            "json_attributes_topic": topic,
        }

    def _alert_component(self, gallery: Gallery) -> dict[str, Any]:
        return {
            "platform": "event",
            "name": "Alert",
            "icon": "mdi:bell-alert",
            "state_topic": self._alerts(gallery),
            "event_types": AlertKind.values,
            "value_template": EVENT,
        }

    def _device(self, key: UUID, name: str, part: str, component: dict[str, Any]) -> dict[str, str]:
        """Home Assistant's discovery of a device with one component."""
        own = f"faceplatform_{key.hex}"
        values = {
            "device": {"identifiers": [own], "name": name, "manufacturer": "Faceplatform"},
            "origin": {"name": "Faceplatform", "sw_version": __version__},
            "availability_topic": self.available(online=True).topic,
            "components": {part: component | {"qos": 1, "unique_id": f"{own}_{part}"}},
        }
        return {f"{DISCOVERY}/{own}/config": _json(values)}


def name_of(sighting: Sighting) -> str:
    """Who is seen. sighting: read by `with_people`."""
    if sighting.identity is not None:
        return sighting.identity.current.name if sighting.identity.current else "A deleted person"
    return str(sighting.unknown) if sighting.unknown else "Somebody"


def picture_of(sighting: Sighting) -> str:
    """The address of the best face, below the platform's own."""
    return reverse("api:sighting-crop", args=[sighting.pk])


def _seen_now() -> dict[UUID, list[Sighting]]:
    """The open sightings of each camera, the newest first; not of unknown people whom a curator ignores."""
    rows = Sighting.objects.filter(closed=False, decision__in=[Decision.KNOWN, Decision.UNKNOWN])
    found = defaultdict(list)
    for row in rows.exclude(unknown__ignored=True).with_people().latest_first():
        found[row.camera_id].append(row)
    return found


def _attributes(here: Sequence[Sighting]) -> dict[str, Any]:
    """Of the newest, as Home Assistant shows them, and of all."""
    people = [
        {"name": name_of(row), "decision": row.decision, "sighting": str(row.pk), "picture": picture_of(row),
         "first_seen": row.first_seen}
        for row in here
    ]  # fmt: skip
    newest = people[0] if people else {"sighting": None, "picture": None}
    return {"sighting": newest["sighting"], "picture": newest["picture"], "people": people}


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), cls=DjangoJSONEncoder)
