"""Query parameters that filter and order lists."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter

from faceplatform.errors import InvalidInput

Rows = TypeVar("Rows", bound=QuerySet[Any])


def parse_bool(text: str) -> bool:
    return {"true": True, "false": False}[text]


def parse_time(text: str) -> datetime:
    """From ISO 8601; in UTC unless the text says otherwise."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


# parse → the type in the schema, and the words for it in error messages.
KINDS: dict[Callable[[str], Any], tuple[type, str]] = {
    parse_bool: (bool, "true or false"),
    parse_time: (datetime, "a time such as 2026-01-31T08:00:00Z"),
    UUID: (UUID, "a UUID"),
    str: (str, "text"),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A query parameter of a list.

    parse: one of KINDS; turns the text into what `lookup` takes, or raises ValueError or KeyError.
    """

    name: str
    lookup: str
    help: str
    parse: Callable[[str], Any] = str
    choices: Sequence[str] = ()

    @property
    def parameter(self) -> OpenApiParameter:
        return OpenApiParameter(self.name, KINDS[self.parse][0], description=self.help, enum=self.choices or None)

    def value(self, text: str) -> Any:
        """Raises InvalidInput."""
        try:
            if self.choices and text not in self.choices:
                raise ValueError
            return self.parse(text)
        except (ValueError, KeyError) as error:
            expected = f"one of {', '.join(self.choices)}" if self.choices else KINDS[self.parse][1]
            raise InvalidInput(f"{self.name} must be {expected}.") from error


def filtered(rows: Rows, query: Mapping[str, str], filters: Sequence[Filter]) -> Rows:
    """The rows that match the query parameters. Raises InvalidInput, naming the parameter."""
    lookups = {each.lookup: each.value(query[each.name]) for each in filters if query.get(each.name)}
    return rows.filter(**lookups) if lookups else rows


def list_parameters(filters: Sequence[Filter], orderings: Iterable[str] = ()) -> list[OpenApiParameter]:
    """How the schema describes `filters` and the parameter `ordering`."""
    parameters = [each.parameter for each in filters]
    if orderings:
        names = [name for field in orderings for name in (field, f"-{field}")]
        parameters.append(OpenApiParameter("ordering", str, enum=names, description="In descending order with -."))
    return parameters
