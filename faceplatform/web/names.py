"""Names over the API: cleaned before they are checked, so that a length is that of what will be kept."""

from typing import Any

from rest_framework import serializers

from faceplatform.database import names
from faceplatform.text import clean_name


class NameField(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        return clean_name(super().to_internal_value(data))


# For models with names. It has no docstring: that would become a text of the schema.
class NamedSerializer(serializers.ModelSerializer):
    serializer_field_mapping = {**serializers.ModelSerializer.serializer_field_mapping, names.NameField: NameField}
