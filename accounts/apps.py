from importlib import import_module

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

    def ready(self) -> None:
        import_module("accounts.sign_in.receivers")
