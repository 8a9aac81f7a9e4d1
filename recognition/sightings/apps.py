from django.apps import AppConfig


class SightingsConfig(AppConfig):
    name = "recognition.sightings"
    label = "sightings"
    verbose_name = "Sightings"
    sections = {
        "sightings": "sightings",
        "unknown-people": "unknown",
        "unknown-person": "unknown",
        "seen": "people",
    }

    def ready(self) -> None:
        from gallery.curation.history import also_undo
        from recognition.sightings.undoing import SIGHTINGS

        also_undo(SIGHTINGS)
