from django.apps import AppConfig


class CamerasConfig(AppConfig):
    name = "recognition.cameras"
    label = "cameras"
    verbose_name = "Cameras"
    sections: dict[str, str] = {}
