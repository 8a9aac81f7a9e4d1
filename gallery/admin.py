"""Galleries, people and samples in the admin site. Every write goes through the services."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import TabularInline

from accounts.admin_base import ScopedAdmin, VisibleGalleries, actor_of
from accounts.models import Membership
from gallery import services
from gallery.closing import close_gallery
from gallery.curation.admin_actions import (
    FLAG_ACTIONS,
    flag_action,
    merge_selected,
    move_selected,
    reject_selected,
    split_selected,
)
from gallery.forms import MetadataField
from gallery.models import FaceSample, Gallery, Identity


def thumbnail(sample_id, name: str = "") -> str:
    """name: of the picture, where it is all there is in a link."""
    if sample_id is None:
        return "–"
    address = reverse("api:sample-crop", args=[sample_id])
    return format_html(
        '<img src="{}" alt="{}" width="48" height="48" loading="lazy" class="rounded-full object-cover">', address, name
    )


class MembershipInline(TabularInline):
    """Read-only: roles are changed under Memberships, where each change is audited."""

    model = Membership
    extra = 0
    can_delete = False
    readonly_fields = ["user", "role", "created_at"]

    def has_add_permission(self, request, obj=None):
        return False


class SampleInline(TabularInline):
    model = FaceSample
    extra = 0
    can_delete = False
    show_change_link = True
    fields = readonly_fields = ["picture", "photo_name", "quality_score", "created_at"]

    def has_add_permission(self, request, obj=None):
        return False

    @admin.display(description="")
    def picture(self, sample):
        return thumbnail(sample.pk)


@admin.register(Gallery)
class GalleryAdmin(ScopedAdmin):
    list_display = ["name", "slug", "identity_count", "sample_count", "pack", "threshold_source", "quality_gate"]
    search_fields = ["name__alike", "slug"]
    fields = ["name", "slug", *services.GALLERY_FIELDS[1:], "pack"]
    inlines = [MembershipInline]

    def get_queryset(self, request):
        return super().get_queryset(request).with_counts()

    def get_readonly_fields(self, request, obj=None):
        return ["pack", "slug"] if obj else ["pack"]

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "slug":
            field.required, field.help_text = False, f"{db_field.help_text} Left empty, it is made from the name."
        return field

    @admin.display(description="People")
    def identity_count(self, gallery):
        return gallery.identity_count

    @admin.display(description="Samples")
    def sample_count(self, gallery):
        return gallery.sample_count

    def save_model(self, request, obj, form, change):
        values = {name: form.cleaned_data[name] for name in services.GALLERY_FIELDS if name in form.cleaned_data}
        if change:
            services.update_gallery(actor=actor_of(request), gallery=obj, **values)
        else:
            created = services.create_gallery(actor=actor_of(request), slug=form.cleaned_data["slug"], **values)
            obj.pk, obj.slug, obj._state.adding = created.pk, created.slug, False

    @staticmethod
    def delete_service(actor, row):
        close_gallery(actor=actor, gallery=row)


@admin.register(Identity)
class IdentityAdmin(ScopedAdmin):
    list_display = ["portrait", "name", "gallery", "department", "position", "active", "last_recognized_at"]
    list_display_links = ["name"]
    list_filter = [("gallery", VisibleGalleries), "active", "consent", "department"]
    list_select_related = ["gallery"]
    search_fields = ["searchable__alike"]
    fields = ["gallery", *services.IDENTITY_FIELDS, "last_recognized_at"]
    inlines = [SampleInline]
    actions = [merge_selected, *(flag_action(*flag) for flag in FLAG_ACTIONS)]

    def get_queryset(self, request):
        return super().get_queryset(request).with_portrait()

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        more = {"form_class": MetadataField} if db_field.name == "metadata" else {}
        return super().formfield_for_dbfield(db_field, request, **kwargs, **more)

    def get_readonly_fields(self, request, obj=None):
        return ["last_recognized_at", "gallery"] if obj else ["last_recognized_at"]

    @admin.display(description="")
    def portrait(self, identity):
        return thumbnail(identity.portrait_id)

    def save_model(self, request, obj, form, change):
        values = {name: form.cleaned_data[name] for name in services.IDENTITY_FIELDS}
        if change:
            services.update_identity(actor=actor_of(request), identity=obj, **values)
        else:
            created = services.create_identity(actor=actor_of(request), gallery=form.cleaned_data["gallery"], **values)
            obj.pk, obj._state.adding = created.pk, False

    @staticmethod
    def delete_service(actor, row):
        services.delete_identity(actor=actor, identity=row)


@admin.register(FaceSample)
class FaceSampleAdmin(ScopedAdmin):
    list_display = ["picture", "identity", "gallery", "photo_name", "quality_score", "created_at"]
    list_filter = [("gallery", VisibleGalleries)]
    list_select_related = ["identity", "gallery"]
    search_fields = ["identity__searchable__alike", "photo_name__alike", "photo_sha256"]
    actions = [split_selected, move_selected, reject_selected]

    @admin.display(description="")
    def picture(self, sample):
        return thumbnail(sample.pk, f"Face of {sample.identity}")

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    @staticmethod
    def delete_service(actor, row):
        services.delete_sample(actor=actor, sample=row)
