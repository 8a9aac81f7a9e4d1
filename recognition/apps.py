from django.apps import AppConfig


class RecognitionConfig(AppConfig):
    name = "recognition"
    verbose_name = "Recognition"
    sections = {  # named page → the navigation entry that it belongs to; see gallery/context.py
        "today": "today",
        "first-steps": "people",
        "gallery-settings": "settings",
        "recognition-settings": "settings",
        "members": "members",
        "model": "settings",
        "health": "health",
        "calibration": "settings",
        "imports": "import",
        "import": "import",
        "privacy": "settings",
        "erase-subject": "people",
        "erasure": "settings",
        "delete-gallery": "settings",
        "add-faces": "add",
        "enrolment": "add",
        "recognise": "recognise",
        "recognitions": "recognitions",
        "recognition": "recognitions",
        "system": "system",
        "evaluations": "evaluations",
        "evaluation": "evaluations",
        "compare-evaluations": "evaluations",
    }

    def ready(self) -> None:
        from gallery.curation.history import also_undo
        from gallery.curation.settings import Settings, also_undo_settings
        from recognition.photos.corrections import FACES
        from recognition.privacy.retention import settings_of
        from recognition.privacy.services import write_rules

        also_undo(FACES)
        also_undo_settings("retention.changed", Settings(settings_of, write_rules))
