from django.urls import path

from recognition import views
from recognition.calibration import views as calibration_views
from recognition.evaluations import views as evaluation_views
from recognition.health import views as health_views
from recognition.imports import views as import_views
from recognition.privacy import views as privacy_views
from recognition.reembedding import views as model_views
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
    path("galleries/<slug:slug>/privacy", privacy_views.privacy, name="privacy"),
    path("galleries/<slug:slug>/people/<uuid:pk>/export", privacy_views.export, name="export-subject"),
    path("galleries/<slug:slug>/people/<uuid:pk>/erase", privacy_views.erase, name="erase-subject"),
    path("erasures/<uuid:pk>/", privacy_views.erasure, name="erasure"),
    path("galleries/<slug:slug>/health", health_views.health, name="health"),
    path("galleries/<slug:slug>/health/look-again", health_views.look_again, name="look-again"),
    path("galleries/<slug:slug>/health/<uuid:pk>/<slug:action>", health_views.fix, name="fix-finding"),
    path("galleries/<slug:slug>/calibration", calibration_views.calibration, name="calibration"),
    path("galleries/<slug:slug>/calibration/measure", calibration_views.measure, name="measure-calibration"),
    path("galleries/<slug:slug>/calibration/apply", calibration_views.apply, name="apply-calibration"),
    path("galleries/<slug:slug>/calibration/by-size", calibration_views.by_size, name="threshold-by-size"),
    path("imports/<uuid:pk>/", import_views.import_, name="import"),
    path("imports/<uuid:pk>/report.csv", import_views.report, name="import-report"),
    path("imports/<uuid:pk>/stop", import_views.stop, name="stop-import"),
    path("imports/<uuid:pk>/resume", import_views.resume, name="resume-import"),
    path("galleries/<slug:slug>/model", model_views.model, name="model"),
    path("galleries/<slug:slug>/model/start", model_views.start, name="start-reembedding"),
    path("galleries/<slug:slug>/model/back", model_views.back, name="pack-back"),
    path("galleries/<slug:slug>/model/forget", model_views.forget, name="forget-vectors"),
    path("galleries/<slug:slug>/model/<uuid:pk>/stop", model_views.stop, name="stop-reembedding"),
    path("galleries/<slug:slug>/model/<uuid:pk>/cut-over", model_views.cut_over, name="cut-over"),
    path("recognitions/<uuid:pk>/", views.recognition, name="recognition"),
    path("recognitions/<uuid:pk>/photo", views.photo_picture, name="recognition-photo"),
    path("recognitions/<uuid:pk>/faces/<int:index>/reject", views.reject_face, name="reject-face"),
    path("recognitions/<uuid:pk>/faces/<int:index>.jpg", views.face_picture, name="recognition-face"),
]
