"""Measures the REST API under load from outside: the platform runs as usual, and clients call it over HTTP."""
