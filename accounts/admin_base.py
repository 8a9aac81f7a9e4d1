"""Shared by the admin classes of all apps."""

from django.db import transaction
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.actor import Actor, Via


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in user, acting through the admin site."""
    return Actor.from_request(request, Via.ADMIN)


class ReadOnlyAdmin(ModelAdmin):
    """Shows rows to those who may view them; nobody can add, change or delete them here."""

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

    def delete_model(self, request, obj):
        self.delete_service(actor_of(request), obj)

    @transaction.atomic
    def delete_queryset(self, request, queryset):
        """Deletes all of them or none."""
        for row in queryset:
            self.delete_service(actor_of(request), row)
