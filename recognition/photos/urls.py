from django.urls import path

from recognition.photos import readiness, views

urlpatterns = [
    path("health/ready", readiness.ready, name="ready"),
    path("galleries/<slug:slug>/add-faces", views.add_faces, name="add-faces"),
    path("galleries/<slug:slug>/people/<uuid:pk>/photos", views.add_photos, name="add-photos"),
    path("galleries/<slug:slug>/enrolment", views.enrolment, name="enrolment"),
    path("galleries/<slug:slug>/recognise", views.recognise, name="recognise"),
    path("galleries/<slug:slug>/recognitions", views.recognitions, name="recognitions"),
    path("galleries/<slug:slug>/liveness", views.set_liveness, name="set-liveness"),
    path("recognitions/<uuid:pk>/", views.recognition, name="recognition"),
    path("recognitions/<uuid:pk>/photo", views.photo_picture, name="recognition-photo"),
    path("recognitions/<uuid:pk>/faces/<int:index>/reject", views.reject_face, name="reject-face"),
    path("recognitions/<uuid:pk>/faces/<int:index>.jpg", views.face_picture, name="recognition-face"),
]
