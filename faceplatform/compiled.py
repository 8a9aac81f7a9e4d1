"""Querysets and inserts that become SQL once.

Django builds a queryset and its SQL anew for each call. For what every API call does, that costs the web server several times
what it costs to send the statement and to take its rows.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from types import SimpleNamespace

from django.db import connection, connections
from django.db.models import NOT_PROVIDED, Field, Model, Prefetch, QuerySet, Value
from django.db.models.query import ModelIterable

from faceplatform.planned import planned_cursor


class Given(Value):
    """Stands in a queryset for a value that each call brings. one_of: for one of a list of values."""

    def __init__(self, name: str, *, one_of: bool = False):
        super().__init__(name)
        self.name, self.one_of = name, one_of

    def as_sql(self, compiler, connection):
        return "ANY(%s)" if self.one_of else "%s", [self]


class Compiled:
    """Called with the values that are Given in a queryset, it gives the rows of that as a list, and what it prefetches
    over foreign keys to it. Not for a queryset that depends on anything besides: on the day, on who asks."""

    def __init__(self, build: Callable[[], QuerySet]):
        """build: called once, with the first call."""
        self._build = build

    def __call__(self, **values) -> list[Model]:
        rows = list(ModelIterable(self._run(values)))
        for related in self._prefetched if rows else ():
            related.attach_to(rows)
        return rows

    def first(self, **values) -> Model | None:
        return next(iter(self(**values)), None)

    @cached_property
    def queryset(self) -> QuerySet:
        return self._build()

    @cached_property
    def _compiled(self):
        compiler = self.queryset.query.get_compiler(self.queryset.db)
        sql, parameters = compiler.as_sql()
        converters = compiler.get_converters([expression for expression, *_ in compiler.select])
        compiler.get_converters = lambda expressions: converters
        return compiler, sql, parameters

    @cached_property
    def _prefetched(self) -> list["_Prefetched"]:
        return [_Prefetched(self.queryset.model, lookup) for lookup in self.queryset._prefetch_related_lookups]

    def _run(self, values: dict):
        """As much of a queryset as ModelIterable asks for, with a compiler that has done its work."""
        compiled, sql, parameters = self._compiled
        bound = tuple(values[one.name] if isinstance(one, Given) else one for one in parameters)
        compiler = copy.copy(compiled)
        compiler.connection = _Planning(connections[self.queryset.db])  # this thread's
        compiler.as_sql = lambda: (sql, bound)
        query = SimpleNamespace(get_compiler=lambda using: compiler)
        return SimpleNamespace(db=self.queryset.db, query=query, _known_related_objects={})


class _Planning:
    """A connection whose statements are planned once."""

    def __init__(self, wrapped):
        self._wrapped = wrapped

    def cursor(self):
        return planned_cursor()

    def __getattr__(self, name):
        return getattr(self._wrapped, name)


class _Prefetched:
    """The rows whose foreign key leads to those of a Compiled."""

    def __init__(self, model: type[Model], lookup: str | Prefetch):
        lookup = lookup if isinstance(lookup, Prefetch) else Prefetch(lookup)
        self._name, self._field = lookup.prefetch_to, model._meta.get_field(lookup.prefetch_to).field
        self._queryset = self._field.model._default_manager.all() if lookup.queryset is None else lookup.queryset
        parents = {self._field.name: Given("parents", one_of=True)}
        self._read = Compiled(lambda: self._queryset.filter(**parents))

    def attach_to(self, parents: Sequence[Model]) -> None:
        """Where the queryset would have put them."""
        found = defaultdict(list)
        for row in self._read(parents=[parent.pk for parent in parents]):
            found[getattr(row, self._field.attname)].append(row)
        for parent in parents:
            # With the parent's filter, for whoever reads on: rows.filter(…) asks the database again.
            rows = getattr(parent, self._name)._apply_rel_filters(self._queryset)
            rows._result_cache, rows._prefetch_done = found[parent.pk], True
            parent.__dict__.setdefault("_prefetched_objects_cache", {})[self._field.remote_field.cache_name] = rows
            for row in rows:
                self._field.set_cached_value(row, parent)


def insert(rows: Sequence[Model], *, tracked: bool = False) -> None:
    """`bulk_create`, for a model without parents and signals that leaves some of its defaults to the database.

    tracked: inside a context of pghistory, which puts statements before others.
    """
    if not rows:
        return
    sql, given, made = _insertion(type(rows[0]), len(rows))
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for row in rows for field in given]
    with connection.cursor() if tracked else planned_cursor() as cursor:
        cursor.execute(sql, values)
        for row, returned in zip(rows, cursor.fetchall() if made else [()] * len(rows), strict=True):
            for field, value in zip(made, returned, strict=True):
                setattr(row, field.attname, value)
            row._state.adding, row._state.db = False, connection.alias


@lru_cache(maxsize=256)
def _insertion(model: type[Model], count: int) -> tuple[str, list[Field], list[Field]]:
    """The statement for so many rows, the fields whose values it takes, and those whose values it returns."""
    quoted = connection.ops.quote_name
    given = [field for field in model._meta.local_concrete_fields if field.db_default is NOT_PROVIDED]
    made = [field for field in model._meta.local_concrete_fields if field.db_default is not NOT_PROVIDED]
    columns = ", ".join(quoted(field.column) for field in given)
    places = ", ".join([f"({', '.join(['%s'] * len(given))})"] * count)
    returning = f" RETURNING {', '.join(quoted(field.column) for field in made)}" if made else ""
    return f"INSERT INTO {quoted(model._meta.db_table)} ({columns}) VALUES {places}{returning}", given, made
