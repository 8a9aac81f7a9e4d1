from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts and audit"
    sections = {  # named page → the navigation entry that it belongs to; see gallery/context.py
        "audit": "audit",
        "api-keys": "keys",
        "rotate-api-key": "keys",
        "users": "users",
    }
