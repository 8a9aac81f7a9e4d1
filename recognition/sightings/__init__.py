"""What becomes of a decision about a track: sightings, unknown people, corrections."""
