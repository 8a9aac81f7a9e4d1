from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "recognition.alerts"
    label = "alerts"
    verbose_name = "Alerts"
    sections: dict[str, str] = {}
