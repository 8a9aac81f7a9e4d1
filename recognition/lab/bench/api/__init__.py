"""The REST API under load, from outside: the platform runs as it always does, clients call it over HTTP."""
