"""Django's PostgreSQL backend on the embedded server, which is started by the first connection that needs it."""

from django.conf import settings
from django.db.backends.postgresql import base

from faceplatform.database import postgres


class DatabaseWrapper(base.DatabaseWrapper):
    _server_seen = False

    def get_new_connection(self, conn_params):
        if not DatabaseWrapper._server_seen:
            postgres.ensure_running(settings.DATA_DIR)
            DatabaseWrapper._server_seen = True
        return super().get_new_connection(conn_params)
