"""What lists are filtered by and in which order they come, as query parameters."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter

from faceplatform.errors import InvalidInput


def yes_or_no(text: str) -> bool:
    return {"true": True, "false": False}[text]


def moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


KINDS = {
    yes_or_no: (bool, "true or false"),
    moment: (datetime, "a time, as 2026-01-31T08:00:00Z"),
    UUID: (UUID, "a UUID"),
    str: (str, "text"),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A query parameter of a list. parse: turns its text into what `lookup` takes, or raises ValueError or KeyError."""

    name: str
    lookup: str
    help: str
    parse: Callable[[str], Any] = str
    choices: Sequence[str] = ()

    @property
    def parameter(self) -> OpenApiParameter:
        return OpenApiParameter(self.name, KINDS[self.parse][0], description=self.help, enum=self.choices or None)

    def value(self, text: str) -> Any:
        try:
            if self.choices and text not in self.choices:
                raise ValueError
            return self.parse(text)
        except (ValueError, KeyError) as error:
            wanted = f"one of {', '.join(self.choices)}" if self.choices else KINDS[self.parse][1]
            raise InvalidInput(f"{self.name} must be {wanted}.") from error


def filtered(rows, query, filters: Sequence[Filter]):
    """The rows that the query parameters ask for. Raises InvalidInput, naming the parameter."""
    wanted = {one.lookup: one.value(query[one.name]) for one in filters if query.get(one.name)}
    return rows.filter(**wanted) if wanted else rows


def list_parameters(filters: Sequence[Filter], orderings: Iterable[str] = ()) -> list[OpenApiParameter]:
    """For OpenAPI."""
    found = [one.parameter for one in filters]
    if orderings:
        names = [name for field in orderings for name in (field, f"-{field}")]
        found.append(OpenApiParameter("ordering", str, enum=names, description="With - the other way round."))
    return found
