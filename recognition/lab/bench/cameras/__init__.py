"""Cameras under load: see measure.py."""
