"""Tells sightings and alerts to an MQTT broker, and to Home Assistant how to show them. Optional: see docs/mqtt.md."""
