from django.urls import path

from recognition.imports import views

urlpatterns = [
    path("galleries/<slug:slug>/imports", views.imports, name="imports"),
    path("imports/<uuid:pk>/", views.import_, name="import"),
    path("imports/<uuid:pk>/report.csv", views.report, name="import-report"),
    path("imports/<uuid:pk>/stop", views.stop, name="stop-import"),
    path("imports/<uuid:pk>/resume", views.resume, name="resume-import"),
]
