from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "recognition.alerts"
    label = "alerts"
    verbose_name = "Alerts"
    sections = dict.fromkeys(
        (
            "alerts",
            "see-alert",
            "alert-rules",
            "add-alert-rule",
            "alert-rule",
            "webhooks",
            "webhook",
            "rotate-webhook",
        ),
        "alerts",
    )
