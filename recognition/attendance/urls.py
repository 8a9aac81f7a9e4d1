from django.urls import path

from recognition.attendance import views

urlpatterns = [
    path("galleries/<slug:slug>/attendance", views.attendance, name="attendance"),
    path("galleries/<slug:slug>/attendance/month", views.month, name="attendance-month"),
    path("galleries/<slug:slug>/attendance/people/<uuid:pk>", views.person, name="attendance-person"),
    path("galleries/<slug:slug>/attendance/people/<uuid:pk>/correct", views.correct, name="correct-attendance"),
    path("galleries/<slug:slug>/attendance/corrections/<uuid:pk>/withdraw", views.withdraw, name="withdraw-correction"),
]
