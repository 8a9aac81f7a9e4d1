"""Which migrations cannot be taken back, because the audit could not be verified afterwards."""

from django.db.migrations import RunPython
from django.db.migrations.exceptions import IrreversibleError

KEPT = (
    "This migration cannot be taken back: the audit's chain could never be verified again, and a new one would begin "
    "without a word. Restore a backup from before the upgrade instead; your data stays as it is now."
)


def irreversible_if_any(app: str, model: str) -> RunPython:
    """The last operation of a migration: refuses to take it back while there are rows of the model."""

    def refuse(apps, schema_editor):  # type: ignore[no-untyped-def]  # Django passes them
        if apps.get_model(app, model).objects.exists():
            raise IrreversibleError(KEPT)

    return RunPython(RunPython.noop, refuse)
