"""Curation as actions on the admin site's lists, through the same services as the pages."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import actor_of
from faceplatform.database.names import NameFormField
from faceplatform.errors import DomainError
from gallery import services
from gallery.curation import services as curation
from gallery.models import Identity

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

FLAG_ACTIONS = (
    ("activate", _("Make active"), {"active": True}),
    ("deactivate", _("Make inactive"), {"active": False}),
    ("hide", _("Hide from the dashboard"), {"hidden": True}),
    ("unhide", _("Show on the dashboard"), {"hidden": False}),
)


def flag_action(name: str, label: "StrOrPromise", fields: dict) -> Callable:
    """An admin action that sets `fields` on the selected people."""

    def action(modeladmin, request, queryset):
        def act(_):
            for identity in queryset.select_related("gallery"):
                services.update_identity(actor=actor_of(request), identity=identity, **fields)

        return _run(modeladmin, request, act)

    action.__name__ = name
    return admin.action(description=label)(action)


class MergeForm(forms.Form):
    def __init__(self, queryset, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["into"] = forms.ModelChoiceField(
            queryset.select_related("gallery"), label=_("Person to keep"), widget=forms.RadioSelect, empty_label=None
        )


class NameForm(forms.Form):
    name = NameFormField(max_length=200, label=_("Name of the new person"))

    def __init__(self, queryset, *args, **kwargs):
        super().__init__(*args, **kwargs)


class MoveForm(forms.Form):
    def __init__(self, queryset, *args, **kwargs):
        super().__init__(*args, **kwargs)
        galleries = queryset.order_by().values("gallery")
        people = Identity.objects.filter(gallery__in=galleries).select_related("gallery")
        self.fields["to"] = forms.ModelChoiceField(people, label=_("New owner of the samples"))


@admin.action(description=_("Merge into one person …"))
def merge_selected(modeladmin, request, queryset):
    def act(values):
        others = queryset.exclude(pk=values["into"].pk).select_related("gallery")
        curation.merge_identities(actor=actor_of(request), into=values["into"], others=list(others))

    return _run_with_form(modeladmin, request, queryset, MergeForm, act, _("Merge"))


@admin.action(description=_("Split off into a new person …"))
def split_selected(modeladmin, request, queryset):
    def act(values):
        samples = list(queryset.select_related("identity__gallery"))
        curation.split_identity(
            actor=actor_of(request),
            identity=samples[0].identity,
            samples=[sample.pk for sample in samples],
            name=values["name"],
        )

    return _run_with_form(modeladmin, request, queryset, NameForm, act, _("Split off"))


@admin.action(description=_("Move to another person …"))
def move_selected(modeladmin, request, queryset):
    def act(values):
        for sample in queryset.select_related("identity__gallery"):
            curation.move_sample(actor=actor_of(request), sample=sample, to=values["to"])

    return _run_with_form(modeladmin, request, queryset, MoveForm, act, _("Move"))


@admin.action(description=_("Mark as not this person"))
def reject_selected(modeladmin, request, queryset):
    def act(_):
        for sample in queryset.select_related("identity__gallery"):
            curation.reject_sample(actor=actor_of(request), sample=sample)

    return _run(modeladmin, request, act)


def _run_with_form(modeladmin, request, queryset, form_class, act: Callable[[dict], object], label: "StrOrPromise"):
    """Shows the form; once it is filled in, calls `act` with its values."""
    form = form_class(queryset, request.POST if "apply" in request.POST else None)
    if form.is_bound and form.is_valid():
        return _run(modeladmin, request, lambda _: act(form.cleaned_data))
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": label,
        "form": form,
        "label": label,
        "rows": queryset,
        "action": request.POST["action"],
        "opts": modeladmin.opts,
    }
    return TemplateResponse(request, "admin/gallery/curate.html", context)


def _run(modeladmin, request, act: Callable[[dict], object]):
    """Calls `act` in one transaction, and shows whether it worked or why not."""
    try:
        with transaction.atomic():
            act({})
    except DomainError as error:
        modeladmin.message_user(request, error.message, messages.ERROR)
    else:
        modeladmin.message_user(request, _("Done. It can be undone on the audit page."), messages.SUCCESS)
