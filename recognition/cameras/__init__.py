"""Cameras: their rows, states and live pictures, and the rows of what was seen.

Who decides and writes sightings is recognition/sightings; who reads the cameras is recognition/watching.
"""
