"""Accounts in the admin site. Every write goes through a service, so that it is audited. Audit and looks are read-only."""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.decorators import method_decorator
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.actor import Actor
from accounts.admin_base import ReadOnlyAdmin, ScopedAdmin, VisibleGalleries, actor_of
from accounts.confirmation import confirmed
from accounts.keys.services import revoke_api_key
from accounts.models import ApiKey, AuditEvent, Look, Membership, User
from accounts.users import services

# Groups are shown as below. allauth's rows are its own: the pages “My account” and “Users” change them, and write the audit.
admin.site.unregister([Group, EmailAddress, Authenticator, UserSession, SocialAccount, SocialApp, SocialToken])


class ConfirmedMixin:
    """Changes ask again for the password after a while, as the pages do."""

    @method_decorator(confirmed)
    def changeform_view(self, request, *args, **kwargs):
        return super().changeform_view(request, *args, **kwargs)  # type: ignore[misc]

    @method_decorator(confirmed)
    def delete_view(self, request, *args, **kwargs):
        return super().delete_view(request, *args, **kwargs)  # type: ignore[misc]


class OperatorsMixin(ConfirmedMixin):
    """Operators alone change these rows; staff with the permission to view them may look. Deletes through `delete_service`."""

    delete_service: Callable[[Actor, Any], None]

    def has_add_permission(self, request):
        return actor_of(request).sees_everything

    def has_change_permission(self, request, obj=None):
        return actor_of(request).sees_everything

    def has_delete_permission(self, request, obj=None):
        return actor_of(request).sees_everything

    def delete_model(self, request, obj):
        self.delete_service(actor_of(request), obj)

    @transaction.atomic
    def delete_queryset(self, request, queryset):
        for row in queryset:
            self.delete_service(actor_of(request), row)


@admin.register(Group)
class UnfoldGroupAdmin(OperatorsMixin, GroupAdmin, ModelAdmin):
    """In no menu: roles in galleries say what people may do. Groups are for staff who shall look at these pages alone."""

    def has_module_permission(self, request):
        return False

    def save_model(self, request, obj, form, change):
        if not change or "name" in form.changed_data:
            services.save_group(actor=actor_of(request), group=obj, created=not change)

    def save_related(self, request, form, formsets, change):
        permissions = form.cleaned_data["permissions"]
        services.set_group_permissions(actor=actor_of(request), group=form.instance, permissions=permissions)

    @staticmethod
    def delete_service(actor, row):
        services.delete_group(actor=actor, group=row)


class PasswordForm(AdminPasswordChangeForm):
    """Django's form for another user's password, saving through the service."""

    def __init__(self, actor, *args, **kwargs):
        self.actor = actor
        super().__init__(*args, **kwargs)

    def save(self, commit=True):
        password = self.cleaned_data["password1"] if self.cleaned_data["set_usable_password"] else None
        services.set_password(actor=self.actor, user=self.user, password=password)
        return self.user


@admin.register(User)
class UnfoldUserAdmin(OperatorsMixin, UserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm

    @method_decorator(confirmed)
    def user_change_password(self, request, id, form_url=""):
        """Django's view does not tell its form who acts: the form of this request's copy knows."""
        view = copy(self)
        view.change_password_form = partial(PasswordForm, actor_of(request))
        return UserAdmin.user_change_password(view, request, id, form_url)

    def save_model(self, request, obj, form, change):
        services.save_user(actor=actor_of(request), user=obj, changed=form.changed_data if change else None)

    def save_related(self, request, form, formsets, change):
        if change:
            groups, permissions = form.cleaned_data["groups"], form.cleaned_data["user_permissions"]
            actor = actor_of(request)
            services.set_rights(actor=actor, user=form.instance, groups=groups, permissions=permissions)

    @staticmethod
    def delete_service(actor, row):
        services.delete_user(actor=actor, user=row)


@admin.register(Membership)
class MembershipAdmin(ConfirmedMixin, ScopedAdmin):
    list_display = ["user", "gallery", "role", "created_at"]
    list_filter = ["role", ("gallery", VisibleGalleries)]
    search_fields = ["user__username", "gallery__name__alike"]
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
    list_filter = [("gallery", VisibleGalleries)]
    search_fields = ["prefix", "name__alike", "user__username"]
    exclude = ["key_hash"]
    actions = ["revoke"]

    def get_queryset(self, request):
        return super().get_queryset(request).visible_to(actor_of(request))

    def get_list_filter(self, request):
        """Only an operator sees keys of others, and with that the names of all users."""
        return [*self.list_filter, "user"] if actor_of(request).sees_everything else self.list_filter

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


@admin.register(Look)
class LookAdmin(ReadOnlyAdmin):
    list_display = ["last_at", "user_name", "kind", "object_id", "gallery_slug", "count", "via", "ip"]
    list_filter = ["kind", "via", "gallery_slug"]
    search_fields = ["user_name", "object_id", "gallery_slug", "api_key_prefix"]
    date_hierarchy = "hour"

    def get_queryset(self, request):
        return super().get_queryset(request).visible_to(actor_of(request))
