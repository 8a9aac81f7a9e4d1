"""Who was there on which day, from sightings."""
