"""Shared by the admin classes of all apps."""

from django.contrib.admin import RelatedFieldListFilter
from django.db import transaction
from django.db.models import BinaryField
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.actor import Actor, Via
from accounts.galleries import galleries


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in user, acting through the admin site."""
    return Actor.from_request(request, Via.ADMIN)


class VisibleGalleries(RelatedFieldListFilter):
    """A filter by gallery that offers those visible to the user, and does not tell the names of others."""

    def field_choices(self, field, request, model_admin):
        rows = galleries().visible_to(actor_of(request)).order_by("name")
        return [(row.pk, str(row)) for row in rows]


class ReadOnlyAdmin(ModelAdmin):
    """Shows rows to those who may view them; nobody can add, change or delete them here."""

    def lookup_allowed(self, lookup, value, request):
        """Not by bytes: an address holds text, which PostgreSQL would not compare with them."""
        names = {field.name for field in self.opts.get_fields() if isinstance(field, BinaryField)}
        return lookup.partition("__")[0] not in names and super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class ScopedAdmin(ModelAdmin):
    """Shows the rows that are visible to the user, and deletes through `delete_service(actor, row)` of the subclass."""

    def get_queryset(self, request):
        return super().get_queryset(request).visible_to(actor_of(request))

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "gallery":
            kwargs["queryset"] = galleries().visible_to(actor_of(request)).order_by("name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def delete_model(self, request, obj):
        self.delete_service(actor_of(request), obj)

    @transaction.atomic
    def delete_queryset(self, request, queryset):
        """Deletes all of them or none."""
        for row in queryset:
            self.delete_service(actor_of(request), row)
