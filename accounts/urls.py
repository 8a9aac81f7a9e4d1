from django.urls import path

from accounts.audit import views as audit_views
from accounts.keys import views as keys_views
from accounts.sign_in.views import SignIn, SignOut, admin_sign_in
from accounts.users import views as users_views

urlpatterns = [
    path("sign-in", SignIn.as_view(), name="sign-in"),
    path("sign-out", SignOut.as_view(), name="sign-out"),
    path("admin/login/", admin_sign_in),
    path("admin/logout/", SignOut.as_view()),
    path("admin/password_change/", users_views.password),
    path("password", users_views.password, name="password"),
    path("audit", audit_views.audit, name="audit"),
    path("api-keys", keys_views.api_keys, name="api-keys"),
    path("api-keys/<uuid:pk>/rotate", keys_views.rotate, name="rotate-api-key"),
    path("api-keys/<uuid:pk>/revoke", keys_views.revoke, name="revoke-api-key"),
]
