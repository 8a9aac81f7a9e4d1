"""Pages of accounts. Some have a second name, by which allauth calls them."""

from allauth.account.views import AccountInactiveView
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import DeactivateTOTPView
from allauth.mfa.webauthn.views import AddWebAuthnView, RemoveWebAuthnView
from django.contrib.auth.decorators import login_not_required
from django.urls import path, re_path

from accounts import style_guide
from accounts.audit import views as audit_views
from accounts.keys import views as keys_views
from accounts.sign_in import views as sign_in
from accounts.sso import views as sso
from accounts.users import people_views, views

signing_in = [
    path("sign-in", sign_in.SignIn.as_view(), name="sign-in"),
    path("sign-in", sign_in.SignIn.as_view(), name="account_login"),
    path("sign-in/second-factor", sign_in.SecondFactor.as_view(), name="mfa_authenticate"),
    path("sign-in/passkey", sign_in.SignInWithPasskey.as_view(), name="mfa_login_webauthn"),
    path(
        "sign-in/switched-off",
        login_not_required(AccountInactiveView.as_view(template_name="accounts/switched_off.html")),
        name="account_inactive",
    ),
    path("sign-in/forgotten", sign_in.Forgotten.as_view(), name="account_reset_password"),
    path("sign-in/forgotten/sent", sign_in.forgotten_sent, name="account_reset_password_done"),
    re_path(
        "^sign-in/link/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)$",
        views.ChosenPassword.as_view(),
        name="account_reset_password_from_key",
    ),
    path("sign-in/with/<slug:provider_id>", sso.begin, name="openid_connect_login"),
    path("sign-in/with/<slug:provider_id>/back", sso.come_back, name="openid_connect_callback"),
    path("sign-in/failed", sso.failed, name="socialaccount_login_error"),
    path("sign-in/cancelled", sso.failed, name="socialaccount_login_cancelled"),
    path("sign-out", sign_in.SignOut.as_view(), name="sign-out"),
    path("sign-out", sign_in.SignOut.as_view(), name="account_logout"),
    path("admin/login/", sign_in.admin_sign_in),
    path("admin/logout/", sign_in.SignOut.as_view()),
    path("admin/password_change/", views.OwnPassword.as_view()),
]
own_account = [
    path("account", views.account, name="account"),
    path("account", views.account, name="mfa_index"),
    path("account", views.account, name="mfa_list_webauthn"),
    path("account/name", views.change_name, name="change-name"),
    path("account/display", views.change_display, name="change-display"),
    path("account/sessions/<int:pk>/end", views.end_session, name="end-session"),
    path("account/app", sign_in.AddApp.as_view(), name="mfa_activate_totp"),
    path(
        "account/app/remove",
        DeactivateTOTPView.as_view(template_name="accounts/remove_factor.html"),
        name="mfa_deactivate_totp",
    ),
    path(
        "account/passkeys/add",
        AddWebAuthnView.as_view(template_name="accounts/add_passkey.html"),
        name="mfa_add_webauthn",
    ),
    path(
        "account/passkeys/<int:pk>/remove",
        RemoveWebAuthnView.as_view(template_name="accounts/remove_factor.html"),
        name="mfa_remove_webauthn",
    ),
    path(
        "account/recovery-codes",
        ViewRecoveryCodesView.as_view(template_name="accounts/recovery_codes.html"),
        name="mfa_view_recovery_codes",
    ),
    path(
        "account/recovery-codes/new",
        GenerateRecoveryCodesView.as_view(template_name="accounts/new_recovery_codes.html"),
        name="mfa_generate_recovery_codes",
    ),
    path("account/confirm", sign_in.ConfirmWithPassword.as_view(), name="account_reauthenticate"),
    path("account/confirm/code", sign_in.ConfirmWithCode.as_view(), name="mfa_reauthenticate"),
    path("account/confirm/passkey", sign_in.ConfirmWithPasskey.as_view(), name="mfa_reauthenticate_webauthn"),
    path("account/confirm/sso", sso.confirm, name="confirm-elsewhere"),
    path("password", views.OwnPassword.as_view(), name="password"),
    path("password", views.OwnPassword.as_view(), name="account_change_password"),
]
users = [
    path("users", people_views.users, name="users"),
    path("users/<uuid:pk>/link", people_views.make_link, name="user-link"),
    path("users/<uuid:pk>/role", people_views.set_role, name="user-role"),
    path("users/<uuid:pk>/switch-off", people_views.switch, {"active": False}, name="user-switch-off"),
    path("users/<uuid:pk>/switch-on", people_views.switch, {"active": True}, name="user-switch-on"),
    path("users/<uuid:pk>/unlock", people_views.unlock, name="user-unlock"),
    path("users/<uuid:pk>/reset-factors", people_views.reset_factors, name="user-reset-factors"),
]
urlpatterns = [
    *signing_in,
    *own_account,
    *users,
    path("audit", audit_views.audit, name="audit"),
    path("styleguide", style_guide.style_guide, name="style-guide"),
    path("api-keys", keys_views.api_keys, name="api-keys"),
    path("api-keys/<uuid:pk>/rotate", keys_views.rotate, name="rotate-api-key"),
    path("api-keys/<uuid:pk>/revoke", keys_views.revoke, name="revoke-api-key"),
]
