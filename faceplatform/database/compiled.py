"""Querysets and inserts whose SQL is built only once.

Django builds a queryset and its SQL again for each call. For what every API call does, that costs the web server several
times as much as sending the statement and reading its rows.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import NOT_PROVIDED, Field, ManyToOneRel, Model, Prefetch, QuerySet, Value
from django.db.models.query import ModelIterable
from django.db.models.sql.compiler import SQLCompiler

from faceplatform.database.planned import planned_cursor

Row = TypeVar("Row", bound=Model)


class Given(Value):
    """A placeholder in a queryset for a value that each call supplies. one_of: the call supplies a list, any of which matches."""

    def __init__(self, name: str, *, one_of: bool = False) -> None:
        super().__init__(name)
        self.name, self.one_of = name, one_of

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:  # type: ignore[override]
        # The stubs know only texts and numbers as parameters.
        return "ANY(%s)" if self.one_of else "%s", [self]


class Compiled(Generic[Row]):
    """A function from the values that are Given in a queryset to the list of its rows.

    build: makes the queryset; called once, by the first call. It may prefetch over foreign keys that lead to its rows, and may
    depend on nothing but the Given values: not on the day, not on who asks.
    """

    def __init__(self, build: Callable[[], QuerySet[Row]]) -> None:
        self._build = build

    def __call__(self, **values: Any) -> list[Row]:
        rows: list[Row] = list(ModelIterable(self._run(values)))
        for related in self._prefetched if rows else ():
            related.attach_to(rows)
        return rows

    def first(self, **values: Any) -> Row | None:
        return next(iter(self(**values)), None)

    @cached_property
    def queryset(self) -> QuerySet[Row]:
        return self._build()

    @cached_property
    def _compiled(self) -> tuple[SQLCompiler, str, Sequence[Any]]:
        """The queryset's compiler, its SQL, and the parameters, some of which are Given."""
        compiler = self.queryset.query.get_compiler(self.queryset.db)
        sql, parameters = compiler.as_sql()
        converters = compiler.get_converters([expression for expression, *_ in compiler.select])
        compiler.get_converters = lambda expressions: converters
        return compiler, sql, parameters

    @cached_property
    def _prefetched(self) -> list["_Prefetched"]:
        lookups = self.queryset._prefetch_related_lookups  # type: ignore[attr-defined]  # private, not in the stubs
        return [_Prefetched(self.queryset.model, lookup) for lookup in lookups]

    def _run(self, values: dict[str, Any]) -> Any:
        """As much of a queryset as ModelIterable needs, with a compiler that already has its SQL."""
        compiled, sql, parameters = self._compiled
        bound = tuple(values[value.name] if isinstance(value, Given) else value for value in parameters)
        compiler: Any = copy.copy(compiled)  # a copy, whose methods may be replaced
        compiler.connection = _PlannedConnection(connections[self.queryset.db])  # this thread's
        compiler.as_sql = lambda: (sql, bound)
        query = SimpleNamespace(get_compiler=lambda using: compiler)
        return SimpleNamespace(db=self.queryset.db, query=query, _known_related_objects={})


class _PlannedConnection:
    """A connection whose statements are planned once."""

    def __init__(self, wrapped: BaseDatabaseWrapper) -> None:
        self._wrapped = wrapped

    def cursor(self) -> CursorWrapper:
        return planned_cursor()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


class _Prefetched:
    """The rows whose foreign key leads to the rows of a Compiled."""

    def __init__(self, model: type[Model], lookup: str | Prefetch) -> None:
        lookup = lookup if isinstance(lookup, Prefetch) else Prefetch(lookup)
        relation = model._meta.get_field(lookup.prefetch_to)
        assert isinstance(relation, ManyToOneRel)
        self._field = relation.field
        self._queryset = self._field.model._default_manager.all() if lookup.queryset is None else lookup.queryset
        parents = {self._field.name: Given("parents", one_of=True)}
        self._read = Compiled(lambda: self._queryset.filter(**parents))

    def attach_to(self, parents: Sequence[Model]) -> None:
        """Puts them where the queryset's own prefetch would have put them."""
        by_parent = defaultdict(list)
        for row in self._read(parents=[parent.pk for parent in parents]):
            by_parent[getattr(row, self._field.attname)].append(row)
        for parent in parents:
            rows: Any = self._queryset.all()  # its private result cache is filled
            rows._result_cache, rows._prefetch_done = by_parent[parent.pk], True
            parent.__dict__.setdefault("_prefetched_objects_cache", {})[self._field.remote_field.cache_name] = rows
            for row in rows:
                self._field.set_cached_value(row, parent)


def insert(rows: Sequence[Model], *, tracked: bool = False) -> None:
    """`bulk_create` for rows of one model, without parent models and signals, that may leave defaults to the database.

    tracked: whether this runs in a context of pghistory, which puts its own statement in front of the query.
    """
    if not rows:
        return
    sql, sent, returned = _insert_statement(type(rows[0]), len(rows))
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for row in rows for field in sent]
    with connection.cursor() if tracked else planned_cursor() as cursor:
        cursor.execute(sql, values)
        for row, answer in zip(rows, cursor.fetchall() if returned else [()] * len(rows), strict=True):
            for field, value in zip(returned, answer, strict=True):
                setattr(row, field.attname, value)
            row._state.adding, row._state.db = False, connection.alias


@lru_cache(maxsize=256)
def _insert_statement(model: type[Model], count: int) -> tuple[str, list[Field], list[Field]]:
    """The statement for `count` rows, the fields that are sent with it, and those that the database fills in and returns."""
    sent = [field for field in model._meta.local_concrete_fields if field.db_default is NOT_PROVIDED]
    returned = [field for field in model._meta.local_concrete_fields if field.db_default is not NOT_PROVIDED]
    places = ", ".join([f"({', '.join(['%s'] * len(sent))})"] * count)
    table = connection.ops.quote_name(model._meta.db_table)
    returning = f" RETURNING {_columns(returned)}" if returned else ""
    return f"INSERT INTO {table} ({_columns(sent)}) VALUES {places}{returning}", sent, returned


def _columns(fields: Sequence[Field]) -> str:
    return ", ".join(connection.ops.quote_name(field.column) for field in fields if field.column)
