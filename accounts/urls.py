from django.urls import path

from accounts import keys_views, views

urlpatterns = [
    path("sign-in", views.SignIn.as_view(), name="sign-in"),
    path("sign-out", views.SignOut.as_view(), name="sign-out"),
    path("audit", views.audit, name="audit"),
    path("api-keys", keys_views.api_keys, name="api-keys"),
    path("api-keys/<uuid:pk>/rotate", keys_views.rotate, name="rotate-api-key"),
    path("api-keys/<uuid:pk>/revoke", keys_views.revoke, name="revoke-api-key"),
]
