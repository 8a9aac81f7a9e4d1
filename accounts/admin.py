"""Accounts in the admin site. Every write goes through a service, so that it is audited. The audit is read-only."""

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.admin_base import ReadOnlyAdmin, ScopedAdmin, actor_of
from accounts.keys.services import revoke_api_key
from accounts.models import ApiKey, AuditEvent, Membership, User
from accounts.users import services

admin.site.unregister(Group)


@admin.register(Group)
class UnfoldGroupAdmin(GroupAdmin, ModelAdmin):
    pass


@admin.register(User)
class UnfoldUserAdmin(UserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def save_model(self, request, obj, form, change):
        services.save_user(actor=actor_of(request), user=obj, changed=form.changed_data if change else None)

    def delete_model(self, request, obj):
        services.delete_user(actor=actor_of(request), user=obj)

    @transaction.atomic
    def delete_queryset(self, request, queryset):
        for user in queryset:
            services.delete_user(actor=actor_of(request), user=user)


@admin.register(Membership)
class MembershipAdmin(ScopedAdmin):
    list_display = ["user", "gallery", "role", "created_at"]
    list_filter = ["role", "gallery"]
    search_fields = ["user__username", "gallery__name"]
    list_select_related = ["user", "gallery"]
    autocomplete_fields = ["user", "gallery"]

    def save_model(self, request, obj, form, change):
        saved = services.set_membership(actor=actor_of(request), gallery=obj.gallery, user=obj.user, role=obj.role)
        obj.pk, obj._state.adding = saved.pk, False

    def get_readonly_fields(self, request, obj=None):
        return ["user", "gallery"] if obj else []

    @staticmethod
    def delete_service(actor, row):
        services.remove_membership(actor=actor, membership=row)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Lists and revokes keys. Creating one here is not possible: the key is shown only once, by the page or the command."""

    list_display = ["prefix", "user", "gallery", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at"]
    list_filter = ["gallery", "user"]
    search_fields = ["prefix", "name", "user__username"]
    exclude = ["key_hash"]
    actions = ["revoke"]

    @admin.action(description="Revoke")
    def revoke(self, request, queryset):
        with transaction.atomic():
            for key in queryset.visible_to(actor_of(request)):
                revoke_api_key(actor=actor_of(request), api_key=key)
        messages.success(request, "Revoked.")


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "user_name", "action", "object_name", "gallery_slug", "via", "ip"]
    list_filter = ["action", "via", "gallery_slug"]
    search_fields = ["action", "user_name", "object_name", "object_id", "gallery_slug", "request_id"]
    date_hierarchy = "at"

    def get_queryset(self, request):
        return super().get_queryset(request).visible_to(actor_of(request))
