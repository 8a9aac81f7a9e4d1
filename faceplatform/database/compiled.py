"""Querysets and inserts that become SQL once.

Django builds a queryset and its SQL anew for each call. For what every API call does, that costs the web server several times
what it costs to send the statement and to take its rows. What of Django this leans on, though it does
not document it, is held by tests/faceplatform/database/test_contracts_orm.py.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

from django.db import connection
from django.db.models import NOT_PROVIDED, Field, Model, Prefetch, QuerySet, Value

from faceplatform.database.planned import planned_cursor


class Given(Value):
    """Stands in a queryset for a value that each call brings. one_of: for one of a list of values."""

    def __init__(self, name: str, *, one_of: bool = False):
        super().__init__(name)
        self.name, self.one_of = name, one_of

    def as_sql(self, compiler, connection):
        return "ANY(%s)" if self.one_of else "%s", [self]


class Compiled:
    """Called with the values that are Given in a queryset, it gives the rows of that as a list, with what it selects and
    prefetches over foreign keys. Not for a queryset that depends on anything besides: on the day, on who asks."""

    def __init__(self, build: Callable[[], QuerySet]):
        """build: called once, with the first call."""
        self._build = build

    def __call__(self, **values) -> list[Model]:
        sql, parameters, columns = self._statement
        bound = [values[one.name] if isinstance(one, Given) else one for one in parameters]
        with planned_cursor() as cursor:
            cursor.execute(sql, bound)
            rows = [columns.row_of(found) for found in cursor.fetchall()]
        for related in self._prefetched if rows else ():
            related.attach_to(rows)
        return rows

    def first(self, **values) -> Model | None:
        return next(iter(self(**values)), None)

    @cached_property
    def queryset(self) -> QuerySet:
        return self._build()

    @cached_property
    def _statement(self) -> tuple[str, tuple, "_Columns"]:
        columns = _Columns(self.queryset)
        return *self.queryset.values_list(*columns.names).query.sql_with_params(), columns

    @cached_property
    def _prefetched(self) -> list["_Prefetched"]:
        return [_Prefetched(self.queryset.model, lookup) for lookup in self.queryset._prefetch_related_lookups]


class _Columns:
    """What a queryset reads of each row, by name."""

    def __init__(self, queryset: QuerySet):
        query = queryset.query
        self.names: list[str] = []
        self._converters: list[tuple[int, Callable]] = []
        self._share = _Share(self, queryset.model, query.get_select_mask(), query.select_related or {})
        self._annotations = {name: self.add(name, annotation) for name, annotation in query.annotation_select.items()}

    def add(self, name: str, expression) -> int:
        """Its place in a row. expression: a field or an annotation; it knows how what the database gives is converted."""
        place = len(self.names)
        self.names.append(name)
        self._converters += [(place, convert) for convert in expression.get_db_converters(connection)]
        return place

    def row_of(self, found: Sequence) -> Model:
        values = list(found)
        for place, convert in self._converters:
            values[place] = convert(values[place], None, connection)
        row = self._share.row_of(values)
        for name, place in self._annotations.items():
            setattr(row, name, values[place])
        return row


class _Share:
    """The columns of one model, and those of the models that are selected with it."""

    def __init__(self, columns: _Columns, model: type[Model], mask: dict, related: dict, path: str = ""):
        """mask: the fields to read, with the masks of those that lead to others; all where it is empty."""
        fields = [field for field in model._meta.concrete_fields if not mask or field in mask]
        places = [columns.add(path + field.attname, field) for field in fields]
        self._model, self._names = model, [field.attname for field in fields]
        self._key, self._values = places[fields.index(model._meta.pk)], slice(places[0], places[-1] + 1)
        self._related = {}
        for name, further in related.items():
            field = model._meta.get_field(name)
            self._related[name] = _Share(columns, field.related_model, mask.get(field, {}), further, f"{path}{name}__")

    def row_of(self, values: list) -> Model | None:
        if values[self._key] is None:
            return None
        row = self._model.from_db(connection.alias, self._names, values[self._values])
        for name, share in self._related.items():
            if (related := share.row_of(values)) is not None:
                setattr(row, name, related)
        return row


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
            for row in found[parent.pk]:
                setattr(row, self._field.name, parent)
            # With the parent's filter, for whoever reads on: rows.filter(…) asks the database again.
            rows = getattr(parent, self._name)._apply_rel_filters(self._queryset)
            rows._result_cache, rows._prefetch_done = found[parent.pk], True
            parent.__dict__.setdefault("_prefetched_objects_cache", {})[self._field.remote_field.cache_name] = rows


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
    given = [field for field in model._meta.concrete_fields if field.db_default is NOT_PROVIDED]
    made = [field for field in model._meta.concrete_fields if field.db_default is not NOT_PROVIDED]
    columns = ", ".join(quoted(field.column) for field in given)
    places = ", ".join([f"({', '.join(['%s'] * len(given))})"] * count)
    returning = f" RETURNING {', '.join(quoted(field.column) for field in made)}" if made else ""
    return f"INSERT INTO {quoted(model._meta.db_table)} ({columns}) VALUES {places}{returning}", given, made
