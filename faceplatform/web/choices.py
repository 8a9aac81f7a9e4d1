"""Fields of the API with a few choices. Their message names the choices instead of repeating what was sent."""

from typing import Any, NoReturn

from rest_framework import serializers


class ChoiceField(serializers.ChoiceField):
    default_error_messages = {"invalid_choice": "Send one of {choices}."}

    def fail(self, key: str, **values: Any) -> NoReturn:
        super().fail(key, choices=", ".join(map(str, self.choices)), **values)


class MultipleChoiceField(serializers.MultipleChoiceField):
    default_error_messages = {"invalid_choice": "Send some of {choices}.", "not_a_list": "Send a list."}

    def fail(self, key: str, **values: Any) -> NoReturn:
        super().fail(key, choices=", ".join(map(str, self.choices)), **values)
