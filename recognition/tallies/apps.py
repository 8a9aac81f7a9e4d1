from django.apps import AppConfig


class TalliesConfig(AppConfig):
    name = "recognition.tallies"
    label = "tallies"
    verbose_name = "Tallies"
