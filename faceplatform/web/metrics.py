"""Counts and times requests by their route, for Prometheus: this web process's own, in its memory."""

import time

from django.http.response import HttpResponseBase
from prometheus_client import CollectorRegistry, Counter, Histogram

from faceplatform.web.middleware import GetResponse, PlatformRequest

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NO_ROUTE = "none"  # static files, refused hosts, addresses that lead nowhere

registry = CollectorRegistry()
REQUESTS = Counter("faceplatform_http_requests", "Requests answered.", ["method", "route", "status"], registry=registry)
SECONDS = Histogram(
    "faceplatform_http_request_seconds",
    "From a request's arrival to its answer, waiting for a photo included.",
    ["route"],
    buckets=BOUNDS,
    registry=registry,
)


class MetricsMiddleware:
    """Stands before all others. A request that waits for a photo passes twice; its last pass counts (see later.py)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlatformRequest) -> HttpResponseBase:
        started = request.__dict__.setdefault("metrics_since", time.perf_counter())
        waited = _waits(request)
        response = self.get_response(request)
        if waited or not _waits(request):
            _count(request, response.status_code, time.perf_counter() - started)
        return response


def _waits(request: PlatformRequest) -> bool:
    return getattr(getattr(request, "pending", None), "later", None) is not None


def _count(request: PlatformRequest, status: int, seconds: float) -> None:
    """The route, not the address: there are as many of them as the platform has, whatever is asked for."""
    route = f"/{request.resolver_match.route}" if request.resolver_match else NO_ROUTE
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(method, route, status).inc()
    SECONDS.labels(route).observe(seconds)
