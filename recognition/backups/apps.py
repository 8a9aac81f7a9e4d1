from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "recognition.backups"
    label = "backups"
    verbose_name = "Backups"
