"""Django's PostgreSQL backend; each new connection gets this process's limits."""

from typing import Any

from django.db.backends.postgresql import base

from faceplatform.database.limits import apply_limits


class DatabaseWrapper(base.DatabaseWrapper):
    def _configure_connection(self, connection: Any) -> bool:
        """Also called by the pool, for each connection that it opens. Returns whether there is something to commit."""
        super()._configure_connection(connection)  # type: ignore[misc]  # the stubs do not know it
        apply_limits(connection, besides=str(self.settings_dict["OPTIONS"].get("options", "")))
        return True
