"""Alerts about sightings and cameras, and their delivery by webhook, MQTT and e-mail."""
