from django.urls import path

from recognition.kiosks import views

urlpatterns = [
    path("galleries/<slug:slug>/cameras/<uuid:pk>/kiosks", views.kiosks, name="kiosks"),
    path("galleries/<slug:slug>/cameras/<uuid:pk>/kiosks/<uuid:kiosk>/end", views.end, name="end-kiosk"),
    path("kiosk", views.kiosk, name="kiosk"),
    path("kiosk/frames", views.frames, name="kiosk-frames"),
    path("kiosk/seen", views.seen, name="kiosk-seen"),
]
