from django.urls import path

from faceplatform.web.actions import COLLECTION, ITEM
from recognition.cameras.api import CameraViewSet, FrameView, LiveView, PostedFrameView, TryCameraView

urlpatterns = [
    path("cameras", CameraViewSet.as_view(COLLECTION), name="camera-list"),
    path("cameras/try", TryCameraView.as_view(), name="camera-try"),
    path("cameras/<uuid:pk>", CameraViewSet.as_view(ITEM), name="camera-detail"),
    path("cameras/<uuid:pk>/frame.jpg", FrameView.as_view(), name="camera-frame"),
    path("cameras/<uuid:pk>/live.mjpeg", LiveView.as_view(), name="camera-live"),
    path("cameras/<uuid:pk>/frames", PostedFrameView.as_view(), name="camera-frames"),
]
