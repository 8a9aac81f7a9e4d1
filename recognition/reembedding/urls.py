from django.urls import path

from recognition.reembedding import views

urlpatterns = [
    path("galleries/<slug:slug>/model", views.model, name="model"),
    path("galleries/<slug:slug>/model/start", views.start, name="start-reembedding"),
    path("galleries/<slug:slug>/model/back", views.back, name="pack-back"),
    path("galleries/<slug:slug>/model/forget", views.forget, name="forget-vectors"),
    path("galleries/<slug:slug>/model/<uuid:pk>/stop", views.stop, name="stop-reembedding"),
    path("galleries/<slug:slug>/model/<uuid:pk>/cut-over", views.cut_over, name="cut-over"),
]
