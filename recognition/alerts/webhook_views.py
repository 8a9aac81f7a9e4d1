"""The pages of webhooks: endpoints, and what was sent to each. For owners alone."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import OuterRef, Subquery
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.confirmation import confirmed
from accounts.pages import actor_of, get_visible
from faceplatform.errors import DomainError
from recognition.alerts import services
from recognition.alerts.forms import EndpointForm, KindsForm
from recognition.alerts.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint
from recognition.alerts.views import owned

DELIVERIES_A_PAGE = 25


@never_cache
@confirmed
def webhooks(request, slug):
    """The endpoints, and a form for a new one. A secret is shown only in the answer to the form that made it."""
    gallery = owned(request, slug)
    form = EndpointForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return _page(request, gallery, form, status=400 if form.is_bound else 200)
    try:
        new = services.create_endpoint(actor=actor_of(request), gallery=gallery, **form.cleaned_data)
    except DomainError as error:
        form.add_error("url", error.message)
        return _page(request, gallery, form, status=error.status)
    return _page(request, gallery, EndpointForm(), new=new)


@never_cache
def webhook(request, slug, pk):
    """An endpoint's log; a POST chooses what it is told."""
    endpoint = _endpoint(request, slug, pk)
    if request.method == "POST":
        form = KindsForm(request.POST)
        if form.is_valid():
            services.choose_kinds(actor=actor_of(request), endpoint=endpoint, kinds=form.cleaned_data["kinds"])
            messages.success(request, _("Saved."))
            return redirect("webhook", slug, pk)
        return _log(request, endpoint, form, status=400)
    return _log(request, endpoint, KindsForm(initial={"kinds": endpoint.kinds}))


@require_POST
@never_cache
@confirmed
def rotate(request, slug, pk):
    endpoint = _endpoint(request, slug, pk)
    secret = services.rotate_secret(actor=actor_of(request), endpoint=endpoint)
    return _page(request, endpoint.gallery, EndpointForm(), new=(endpoint, secret), replaced=True)


@require_POST
def test(request, slug, pk):
    endpoint = _endpoint(request, slug, pk)
    services.send_test(actor=actor_of(request), endpoint=endpoint)
    told = _("A test is on its way.") if endpoint.enabled else _("A test is sent once this endpoint is switched on.")
    messages.success(request, told)
    return redirect("webhook", slug, pk)


@require_POST
def switch(request, slug, pk):
    endpoint = _endpoint(request, slug, pk)
    services.switch_endpoint(actor=actor_of(request), endpoint=endpoint, enabled=not endpoint.enabled)
    return redirect("webhook", slug, pk)


@require_POST
def delete(request, slug, pk):
    services.delete_endpoint(actor=actor_of(request), endpoint=_endpoint(request, slug, pk))
    messages.success(request, _("The webhook was deleted with its log."))
    return redirect("webhooks", slug)


@require_POST
def replay(request, slug, pk):
    rows = WebhookDelivery.objects.select_related("endpoint__gallery")
    delivery = get_visible(rows, request, gallery=owned(request, slug), pk=pk)
    try:
        services.replay(actor=actor_of(request), delivery=delivery)
        messages.success(request, _("It is sent again."))
    except DomainError as error:
        messages.error(request, error.message)
    return redirect("webhook", slug, delivery.endpoint_id)


def _endpoint(request, slug, pk) -> WebhookEndpoint:
    rows = WebhookEndpoint.objects.select_related("gallery")
    return get_visible(rows, request, gallery=owned(request, slug), pk=pk)


def _page(request, gallery, form, *, new=(None, ""), replaced: bool = False, status: int = 200):
    last = WebhookDelivery.objects.filter(endpoint=OuterRef("pk")).order_by("-id")
    endpoints = WebhookEndpoint.objects.filter(gallery=gallery).annotate(
        last_at=Subquery(last.values("created_at")[:1]), last_status=Subquery(last.values("status")[:1])
    )
    context = {
        "gallery": gallery,
        "form": form,
        "endpoints": [(row, _status(row.last_status)) for row in endpoints],
        "new": new[0],
        "secret": new[1],
        "replaced": replaced,
    }
    return render(request, "recognition/webhooks.html", context, status=status)


def _log(request, endpoint: WebhookEndpoint, form: KindsForm, status: int = 200):
    rows = WebhookDelivery.objects.filter(endpoint=endpoint).with_tries()
    page = Paginator(rows, DELIVERIES_A_PAGE).get_page(request.GET.get("page"))
    context = {"gallery": endpoint.gallery, "endpoint": endpoint, "page": page, "form": form}
    return render(request, "recognition/webhook.html", context, status=status)


def _status(value: str | None) -> str:
    return str(DeliveryStatus(value).label) if value else ""
