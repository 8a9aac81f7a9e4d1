"""What the admin classes of all apps share."""

from unfold.admin import ModelAdmin

from accounts.actor import Actor, Via


def actor_of(request) -> Actor:
    return Actor.from_request(request, Via.ADMIN)


class ReadOnlyAdmin(ModelAdmin):
    """To look at, for those who may view; nobody adds, changes or deletes here."""

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class ScopedAdmin(ModelAdmin):
    """Shows the rows that are visible to the user, and deletes through `delete_service(actor, row)`."""

    def get_queryset(self, request):
        return super().get_queryset(request).visible_to(actor_of(request))

    def delete_model(self, request, obj):
        self.delete_service(actor_of(request), obj)

    def delete_queryset(self, request, queryset):
        for row in queryset:
            self.delete_service(actor_of(request), row)
