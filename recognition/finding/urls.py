from django.urls import path

from recognition.finding import views

urlpatterns = [path("galleries/<slug:slug>/find", views.find, name="find")]
