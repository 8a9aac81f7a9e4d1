from django.apps import AppConfig


class RecognitionConfig(AppConfig):
    name = "recognition"
    verbose_name = "Recognition"
    sections = {  # named page → the navigation entry that it belongs to; see gallery/context.py
        "model": "people",
        "health": "people",
        "calibration": "people",
        "imports": "people",
        "import": "people",
        "privacy": "people",
        "erase-subject": "people",
        "erasure": "people",
        "delete-gallery": "people",
        "add-faces": "add",
        "enrolment": "add",
        "recognise": "recognise",
        "recognitions": "requests",
        "recognition": "requests",
        "system": "system",
        "evaluations": "evaluations",
        "evaluation": "evaluations",
        "compare-evaluations": "evaluations",
    }
