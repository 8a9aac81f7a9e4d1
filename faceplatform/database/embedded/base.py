"""Django's PostgreSQL backend for the embedded server, which the first connection starts if needed."""

from typing import Any

from django.conf import settings
from django.db import OperationalError

from faceplatform.database import postgres
from faceplatform.database.server import base


class DatabaseWrapper(base.DatabaseWrapper):
    _server_seen = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not DatabaseWrapper._server_seen:
            try:
                postgres.ensure_running(settings.DATA_DIR)
            except (postgres.PostgresError, OSError) as error:
                raise OperationalError(str(error)) from error  # whoever waits for a database waits for this one as well
            DatabaseWrapper._server_seen = True
        return super().get_new_connection(conn_params)
