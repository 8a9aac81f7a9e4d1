from django.urls import path

from recognition.photos import correction_views, readiness, recognise_views, recognitions_views, views

FACE = "recognitions/<uuid:pk>/faces/<int:index>"

urlpatterns = [
    path("health/ready", readiness.ready, name="ready"),
    path("galleries/<slug:slug>/add-faces", views.add_faces, name="add-faces"),
    path("galleries/<slug:slug>/people/<uuid:pk>/photos", views.add_photos, name="add-photos"),
    path("galleries/<slug:slug>/enrolment", views.enrolment, name="enrolment"),
    path("galleries/<slug:slug>/recognise", recognise_views.recognise, name="recognise"),
    path("galleries/<slug:slug>/recognitions", recognitions_views.recognitions, name="recognitions"),
    path("galleries/<slug:slug>/liveness", views.set_liveness, name="set-liveness"),
    path("recognitions/<uuid:pk>/", recognise_views.recognition, name="recognition"),
    path("recognitions/<uuid:pk>/photo", recognise_views.photo_picture, name="recognition-photo"),
    path("recognitions/<uuid:pk>/photo/small", recognise_views.photo_thumbnail, name="recognition-thumbnail"),
    path(f"{FACE}.jpg", recognise_views.face_picture, name="recognition-face"),
    path(f"{FACE}/confirm", correction_views.confirm, name="confirm-face"),
    path(f"{FACE}/reject", correction_views.reject, name="reject-face"),
    path(f"{FACE}/name", correction_views.name, name="name-face"),
]
