from django.apps import AppConfig


class RecognitionConfig(AppConfig):
    name = "recognition"
    verbose_name = "Recognition"
    sections = {  # named page → the navigation entry that it belongs to; see gallery/context.py
        "today": "today",
        "first-steps": "people",
        "gallery-settings": "settings",
        "recognition-settings": "settings",
        "members": "settings",
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
        from recognition.photos.corrections import FACES

        also_undo(FACES)
