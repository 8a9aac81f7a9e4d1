"""What the pages of a gallery's reports share: how far the job is."""

from django.http import HttpResponse
from django.shortcuts import render
from django_htmx.http import HttpResponseClientRefresh

from recognition.reports.models import GalleryReport


def progress(request, report: GalleryReport | None) -> HttpResponse:
    """Answers the page that asks again by itself: the bar, or that the page is to be loaded anew."""
    if report is None or not report.runs:
        return HttpResponseClientRefresh()
    return render(request, "recognition/_report_progress.html", {"report": report})
