from django.urls import path

from recognition import views
from recognition.evaluations import views as evaluation_views
from recognition.imports import views as import_views
from recognition.system import system

urlpatterns = [
    path("system", system, name="system"),
    path("evaluations", evaluation_views.evaluations, name="evaluations"),
    path("evaluations/compare", evaluation_views.compare, name="compare-evaluations"),
    path("evaluations/<uuid:pk>/", evaluation_views.evaluation, name="evaluation"),
    path("galleries/<slug:slug>/add-faces", views.add_faces, name="add-faces"),
    path("galleries/<slug:slug>/people/<uuid:pk>/photos", views.add_photos, name="add-photos"),
    path("galleries/<slug:slug>/people/<uuid:pk>/enrolment", views.enrolment, name="enrolment"),
    path("galleries/<slug:slug>/recognise", views.recognise, name="recognise"),
    path("galleries/<slug:slug>/recognitions", views.recognitions, name="recognitions"),
    path("galleries/<slug:slug>/imports", import_views.imports, name="imports"),
    path("imports/<uuid:pk>/", import_views.import_, name="import"),
    path("imports/<uuid:pk>/report.csv", import_views.report, name="import-report"),
    path("imports/<uuid:pk>/stop", import_views.stop, name="stop-import"),
    path("imports/<uuid:pk>/resume", import_views.resume, name="resume-import"),
    path("recognitions/<uuid:pk>/", views.recognition, name="recognition"),
    path("recognitions/<uuid:pk>/photo", views.photo_picture, name="recognition-photo"),
    path("recognitions/<uuid:pk>/faces/<int:index>/reject", views.reject_face, name="reject-face"),
    path("recognitions/<uuid:pk>/faces/<int:index>.jpg", views.face_picture, name="recognition-face"),
]
