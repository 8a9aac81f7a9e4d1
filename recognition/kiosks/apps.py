from django.apps import AppConfig


class KiosksConfig(AppConfig):
    name = "recognition.kiosks"
    label = "kiosks"
    verbose_name = "Kiosks"
    sections = {"kiosks": "cameras"}
