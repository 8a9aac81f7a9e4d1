from django.apps import AppConfig


class GalleryConfig(AppConfig):
    name = "gallery"
    verbose_name = "Galleries"
    sections = {  # named page → the navigation entry that it belongs to; see gallery/context.py
        "dashboard": "people",
        "identity": "people",
        "identity-details": "people",
        "identity-history": "people",
        "who-looked": "people",
    }
