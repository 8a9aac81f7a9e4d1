"""Querysets and inserts whose SQL is built only once.

Django builds a queryset and its SQL again for each call. For what every API call does, that costs the web server several
times as much as sending the statement and reading its rows. What this uses of Django although it is not documented is held
by tests/faceplatform/database/test_contracts_orm.py.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import NOT_PROVIDED, Expression, Field, ManyToOneRel, Model, Prefetch, QuerySet, Value
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

    build: makes the queryset; called once, by the first call. It may select and prefetch over foreign keys, and may depend on
    nothing but the Given values: not on the day, not on who asks.
    """

    def __init__(self, build: Callable[[], QuerySet[Row]]) -> None:
        self._build = build

    def __call__(self, **values: Any) -> list[Row]:
        sql, parameters, columns = self._statement
        bound = [values[one.name] if isinstance(one, Given) else one for one in parameters]
        with planned_cursor() as cursor:
            cursor.execute(sql, bound)
            rows: list[Row] = [columns.row_of(found) for found in cursor.fetchall()]
        for related in self._prefetched if rows else ():
            related.attach_to(rows)
        return rows

    def first(self, **values: Any) -> Row | None:
        return next(iter(self(**values)), None)

    @cached_property
    def queryset(self) -> QuerySet[Row]:
        return self._build()

    @cached_property
    def _statement(self) -> tuple[str, tuple, "_Columns"]:
        columns = _Columns(self.queryset)
        return *self.queryset.values_list(*columns.names).query.sql_with_params(), columns

    @cached_property
    def _prefetched(self) -> list["_Prefetched"]:
        lookups = self.queryset._prefetch_related_lookups  # type: ignore[attr-defined]  # private, not in the stubs
        return [_Prefetched(self.queryset.model, lookup) for lookup in lookups]


class _Columns:
    """What a queryset reads of each row, by name."""

    def __init__(self, queryset: QuerySet) -> None:
        query = queryset.query
        self.names: list[str] = []
        self._converters: list[tuple[int, Callable]] = []
        related = query.select_related if isinstance(query.select_related, dict) else {}
        self._model_columns = _ModelColumns(self, queryset.model, query.get_select_mask(), related)
        self._annotations = {name: self.add(name, annotation) for name, annotation in query.annotation_select.items()}

    def add(self, name: str, expression: Field | Expression) -> int:
        """Adds a column and returns its place in a row. expression: a field or an annotation; it converts the column's values."""
        place = len(self.names)
        self.names.append(name)
        self._converters += [(place, convert) for convert in expression.get_db_converters(connection)]
        return place

    def row_of(self, found: Sequence[Any]) -> Any:
        """The model instance, from a row as the database gives it."""
        values = list(found)
        for place, convert in self._converters:
            values[place] = convert(values[place], None, connection)
        row = self._model_columns.row_of(values)
        for name, place in self._annotations.items():
            setattr(row, name, values[place])
        return row


class _ModelColumns:
    """The columns of one model, and of the models that are selected together with it.

    mask: the fields to read, with the masks of the foreign keys among them. If it is empty, all fields are read.
    """

    def __init__(
        self, columns: _Columns, model: type[Model], mask: dict[Any, Any], related: dict[str, Any], path: str = ""
    ) -> None:
        fields = [field for field in model._meta.concrete_fields if not mask or field in mask]
        places = [columns.add(path + field.attname, field) for field in fields]
        self._model, self._names = model, [field.attname for field in fields]
        self._key, self._values = places[fields.index(model._meta.pk)], slice(places[0], places[-1] + 1)
        self._related = {}
        for name, further in related.items():
            field = model._meta.get_field(name)
            assert field.related_model is not None
            self._related[name] = _ModelColumns(
                columns, field.related_model, mask.get(field, {}), further, f"{path}{name}__"
            )

    def row_of(self, values: list[Any]) -> Model | None:
        """The instance; None if an outer join found nothing."""
        if values[self._key] is None:
            return None
        row = self._model.from_db(connection.alias, self._names, values[self._values])
        for name, columns in self._related.items():
            if (related := columns.row_of(values)) is not None:
                setattr(row, name, related)
        return row


class _Prefetched:
    """The rows whose foreign key leads to the rows of a Compiled."""

    def __init__(self, model: type[Model], lookup: str | Prefetch) -> None:
        lookup = lookup if isinstance(lookup, Prefetch) else Prefetch(lookup)
        relation = model._meta.get_field(lookup.prefetch_to)
        assert isinstance(relation, ManyToOneRel)
        self._name, self._field = lookup.prefetch_to, relation.field
        self._queryset = self._field.model._default_manager.all() if lookup.queryset is None else lookup.queryset
        parents = {self._field.name: Given("parents", one_of=True)}
        self._read = Compiled(lambda: self._queryset.filter(**parents))

    def attach_to(self, parents: Sequence[Model]) -> None:
        """Puts them where the queryset's own prefetch would have put them."""
        by_parent = defaultdict(list)
        for row in self._read(parents=[parent.pk for parent in parents]):
            by_parent[getattr(row, self._field.attname)].append(row)
        for parent in parents:
            for row in by_parent[parent.pk]:
                setattr(row, self._field.name, parent)
            # With the parent's filter, because rows.filter(…) asks the database again.
            rows = getattr(parent, self._name)._apply_rel_filters(self._queryset)
            rows._result_cache, rows._prefetch_done = by_parent[parent.pk], True
            parent.__dict__.setdefault("_prefetched_objects_cache", {})[self._field.remote_field.cache_name] = rows


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
    sent = [field for field in model._meta.concrete_fields if field.db_default is NOT_PROVIDED]
    returned = [field for field in model._meta.concrete_fields if field.db_default is not NOT_PROVIDED]
    places = ", ".join([f"({', '.join(['%s'] * len(sent))})"] * count)
    table = connection.ops.quote_name(model._meta.db_table)
    returning = f" RETURNING {_columns(returned)}" if returned else ""
    return f"INSERT INTO {table} ({_columns(sent)}) VALUES {places}{returning}", sent, returned


def _columns(fields: Sequence[Field]) -> str:
    return ", ".join(connection.ops.quote_name(field.column) for field in fields if field.column)
