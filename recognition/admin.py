"""The queue and the workers in the admin site, read-only."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from procrastinate.contrib.django.models import ProcrastinateJob
from unfold.admin import TabularInline

from accounts.admin_base import ReadOnlyAdmin, VisibleGalleries, actor_of
from recognition.photos.models import RecognitionFace, RecognitionRequest, Worker

admin.site.unregister(ProcrastinateJob)  # its acts are not audited; the page “System” tells what failed


class FaceInline(TabularInline):
    model = RecognitionFace
    extra = 0
    can_delete = False
    fields = readonly_fields = [
        "picture",
        "decision",
        "identity",
        "margin",
        "detection_score",
        "quality_score",
        "reasons",
    ]

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    @admin.display(description="")
    def picture(self, face):
        address = reverse("recognition-face", args=[face.request_id, face.index])
        return format_html('<img src="{}" alt="" width="48" height="48" class="rounded-full object-cover">', address)


@admin.register(RecognitionRequest)
class RecognitionRequestAdmin(ReadOnlyAdmin):
    list_display = [
        "created_at",
        "purpose",
        "status",
        "gallery",
        "photo_name",
        "requested_by",
        "attempts",
        "error_code",
    ]
    list_filter = ["status", "purpose", ("gallery", VisibleGalleries), "error_code"]
    list_select_related = ["gallery", "requested_by"]
    search_fields = ["id", "photo_name", "photo_sha256"]
    exclude = ["photo"]
    inlines = [FaceInline]

    def get_queryset(self, request):
        return super().get_queryset(request).visible_to(actor_of(request)).defer("photo")


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ["host", "process_id", "started_at", "last_seen_at"]
