"""What the pages of the gallery reports share: the progress of the job."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django_htmx.http import HttpResponseClientRefresh

from recognition.reports.models import GalleryReport


def progress(request: HttpRequest, report: GalleryReport | None) -> HttpResponse:
    """Answers a page that polls: with the progress bar, or by telling the browser to reload the page once the job has ended."""
    if report is None or not report.in_progress:
        return HttpResponseClientRefresh()
    return render(request, "recognition/_report_progress.html", {"report": report})
