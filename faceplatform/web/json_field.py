"""Any JSON in an API's body."""

from typing import Any

from rest_framework import serializers


class JSONField(serializers.JSONField):
    """Takes the value as `parsers.JSONParser` gave it. The framework's own writes it as text again, twice, to see whether it is
    JSON, which for a body of very many values holds everybody up for longer than all the rest."""

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(data) if getattr(data, "is_json_string", False) else data
