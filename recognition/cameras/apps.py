from django.apps import AppConfig


class CamerasConfig(AppConfig):
    name = "recognition.cameras"
    label = "cameras"
    verbose_name = "Cameras"
    sections = dict.fromkeys(  # named page → the navigation entry that it belongs to; see gallery/context.py
        ("cameras", "camera", "add-camera", "camera-settings", "camera-webcam"), "cameras"
    )
