"""Django settings. What an operator may change comes from environment variables, listed in faceplatform/env.py."""

import logging
from typing import Any

from django.templatetags.static import static
from psycopg.conninfo import conninfo_to_dict

from faceplatform import env
from faceplatform.database import postgres

env.check_all()
BASE_DIR = env.BASE_DIR
DATA_DIR = env.get("FACEPLATFORM_DATA_DIR")
MODELS_DIR = env.get("FACEPLATFORM_MODELS_DIR")
SECRET_KEY = env.secret_key(DATA_DIR)
DEBUG = env.get("FACEPLATFORM_DEBUG")
ALLOWED_HOSTS = env.get("FACEPLATFORM_ALLOWED_HOSTS")

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "accounts",  # after allauth, some of whose pages of the admin site it hides; before auth, two of whose commands it replaces
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "pgtrigger",
    "pghistory",
    "gallery",
    "recognition",
    "recognition.cameras",
    "recognition.attendance",
    "recognition.alerts",
    "recognition.sightings",
    "recognition.backups",
    "recognition.tallies",
    "recognition.kiosks",
]

MIDDLEWARE = [
    "faceplatform.web.metrics.MetricsMiddleware",
    "faceplatform.web.proxies.TrustedProxyMiddleware",
    "faceplatform.web.middleware.RequestIdMiddleware",
    "faceplatform.web.hosts.AllowedHostMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "faceplatform.web.compression.PageCompressionMiddleware",
    "faceplatform.web.middleware.ContentSecurityPolicyMiddleware",
    "faceplatform.web.middleware.PageMethodsMiddleware",
    "faceplatform.web.middleware.NoStoreMiddleware",
    "faceplatform.web.middleware.FragmentMiddleware",
    "faceplatform.web.later.LaterMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "faceplatform.web.languages.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.sign_in.middleware.SessionLengthMiddleware",
    "accounts.sign_in.middleware.SignInFirstMiddleware",
    "accounts.users.middleware.DisplayMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "faceplatform.web.toasts.ToastMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.sign_in.middleware.FirstThingsMiddleware",
    "accounts.looks.middleware.LooksMiddleware",
    "faceplatform.web.middleware.DomainErrorMiddleware",
]

ROOT_URLCONF = "faceplatform.urls"
ASGI_APPLICATION = "faceplatform.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "gallery.context.navigation",
            ],
            "builtins": ["faceplatform.web.components", "django.templatetags.i18n"],
        },
    },
]

# Per web process, each with a thread and a database connection. Requests that wait for a photo do not count.
REQUESTS_AT_ONCE = 20
WEB_GRACE_SECONDS = 10  # for requests to be answered when a web process is stopped
CONNECTIONS = env.get("FACEPLATFORM_CONNECTIONS")
CONNECTIONS_PER_ADDRESS = env.get("FACEPLATFORM_CONNECTIONS_PER_ADDRESS")
STRANGERS_PER_SECOND = env.get("FACEPLATFORM_STRANGERS_PER_SECOND")
HEADER_SECONDS = env.get("FACEPLATFORM_HEADER_SECONDS")

# Beside them, so that a request which waits for a lock, or somebody who guesses passwords, stops none of these.
SIGN_INS_AT_ONCE = 4
LANES = {
    ("/health/live",): 1,
    ("/health/ready",): 2,
    ("/metrics",): 1,
    ("/sign-in/with/",): SIGN_INS_AT_ONCE,  # wait for the organisation's sign-in, which may be slow
    ("/sign-in", "/admin/login/"): SIGN_INS_AT_ONCE,
    ("/static/",): 2,
}

# --- Database ---------------------------------------------------------------------------------------------------------
_database_url = env.get("DATABASE_URL")  # not a setting: it holds a password, and debug pages show settings
EMBEDDED_POSTGRES = not _database_url


def _database_from(url: str) -> dict[str, Any]:
    parts = conninfo_to_dict(url)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    found = {key: parts.pop(part, "") for key, part in names.items()}
    # Of several hosts the first that fits is taken; one that is gone must not use up all the time.
    patience = {"connect_timeout": 2} if "," in str(found["HOST"]) else {}
    return found | {"OPTIONS": IMPATIENT | patience | parts}


POOL_SECONDS = 5  # a request waits for a connection
# A server that the network has swallowed is given up, where the system would wait for minutes or for ever.
IMPATIENT = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms
}


DATABASES: dict[str, dict[str, Any]] = {
    "default": _database_from(_database_url) if _database_url else postgres.connection_settings(DATA_DIR)
}
DATABASES["default"] |= {
    "ENGINE": "faceplatform.database.embedded" if EMBEDDED_POSTGRES else "faceplatform.database.server",
    "CONN_HEALTH_CHECKS": True,
    # Under ASGI each request has its own thread: a pool limits the connections and saves opening one each time.
    "OPTIONS": {
        # reconnect_timeout: the pool's pauses double until then, so after a long outage it would try again only minutes later.
        "pool": {
            "min_size": 0,
            "max_size": REQUESTS_AT_ONCE + 2 * SIGN_INS_AT_ONCE,
            "timeout": POOL_SECONDS,
            "reconnect_timeout": 2,
        },
        **DATABASES["default"].get("OPTIONS", {}),
    },
}
# The role that owns the tables; empty if it is the same. faceplatform/database/roles.py says when it is used.
OWNER_DATABASE_URL = env.get(env.OWNER_URL)
OWNER_DATABASE: dict[str, Any] = (
    postgres.connection_settings(DATA_DIR, user=postgres.OWNER)
    if EMBEDDED_POSTGRES
    else _database_from(OWNER_DATABASE_URL)
    if OWNER_DATABASE_URL
    else {}
)
STATEMENT_SECONDS = env.get("FACEPLATFORM_STATEMENT_SECONDS")
LOCK_SECONDS = env.get("FACEPLATFORM_LOCK_SECONDS")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PROCRASTINATE_IMPORT_PATHS = ["faceplatform.processes.tasks"]  # jobs, beside those of each app's tasks.py

# --- Accounts and sessions --------------------------------------------------------------------------------------------
HTTPS = env.get("FACEPLATFORM_HTTPS")
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "accounts.sign_in.backend.Backend",
    "django.contrib.auth.backends.ModelBackend",  # of sessions that began before the first; it is never asked for a password
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.sign_in.passwords.LengthValidator"},
    {"NAME": "accounts.sign_in.passwords.CommonValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
PASSWORD_RESET_TIMEOUT = 72 * 3600  # of a link with which somebody chooses a password
_email = env.get("FACEPLATFORM_EMAIL_URL")
SENDS_EMAIL = bool(_email)
globals().update(_email)
SECOND_FACTOR = env.get("FACEPLATFORM_SECOND_FACTOR")
SESSION_COOKIE_AGE = env.get("FACEPLATFORM_SESSION_IDLE_MINUTES") * 60
SESSION_SECONDS = env.get("FACEPLATFORM_SESSION_HOURS") * 3600
SIGN_IN_RATE = env.get("FACEPLATFORM_SIGN_IN_RATE")
SIGN_IN_ADDRESS_RATE = env.get("FACEPLATFORM_SIGN_IN_ADDRESS_RATE")
# django-allauth. Its own limits count in the cache, one after the other; accounts/sign_in/throttling.py counts instead.
ACCOUNT_ADAPTER = "accounts.sign_in.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_EMAIL_VERIFICATION = "none"  # addresses are given by operators
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_SIGNUP_ENABLED = False
ACCOUNT_SESSION_REMEMBER = True  # for as long as the settings above say
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_METHODS = ("password", "mfa")
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_RATE_LIMITS = MFA_RATE_LIMITS = False
MFA_ADAPTER = "accounts.sign_in.adapter.FactorAdapter"
MFA_FORMS = {"add_webauthn": "accounts.sign_in.forms.PasskeyForm"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Faceplatform"
MFA_TOTP_TOLERANCE = 1
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
USERSESSIONS_TRACK_ACTIVITY = True
OIDC_ISSUER = env.get("FACEPLATFORM_OIDC_ISSUER")
OIDC_NAME = env.get("FACEPLATFORM_OIDC_NAME")
OIDC_CLAIM = env.get("FACEPLATFORM_OIDC_CLAIM")
OIDC_ROLES = env.get("FACEPLATFORM_OIDC_ROLES")
LOCAL_SIGN_IN = env.get("FACEPLATFORM_LOCAL_SIGN_IN")
SOCIALACCOUNT_ADAPTER = "accounts.sso.adapter.SingleSignOnAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True  # a form's answer may not lead elsewhere, says our content security policy
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "sso",
                "name": OIDC_NAME,
                "client_id": env.get("FACEPLATFORM_OIDC_CLIENT_ID"),
                "secret": env.get("FACEPLATFORM_OIDC_CLIENT_SECRET"),
                "settings": {"server_url": OIDC_ISSUER},
            }
        ],
    }
}
# What allauth keeps there: codes that were used. They must be known to all web processes.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "accounts_cacheentry",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
CSRF_FAILURE_VIEW = "faceplatform.web.views.csrf_failure"

TRUSTED_PROXIES = env.get("FACEPLATFORM_TRUSTED_PROXIES")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]  # a load balancer and a monitor ask for them directly
SECURE_HSTS_SECONDS = env.get("FACEPLATFORM_HSTS_DAYS") * 86_400 if HTTPS else 0
# Other names under the same domain, and lists kept by browsers' makers, are the organisation's to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS if HTTPS and host != "*"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- Pages ------------------------------------------------------------------------------------------------------------
# What is written by workers and commands is English; pages tell it in the reader's language (faceplatform/web/languages.py).
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("es", "Español"), ("fr", "Français"), ("ar", "العربية")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.get("FACEPLATFORM_TIME_ZONE")
FORMAT_MODULE_PATH = "faceplatform.formats"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "faceplatform.web.static_files.HashedStaticFiles",
        "OPTIONS": {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
    },
}

_WEIGHTS = ["50", "100", "200", "300", "400", "500", "600", "700", "800", "900", "950"]
# Shades of our --accent, from app.css.
_SHADES = ["eef3fe", "dbe6fd", "bfd3fb", "93b4f8", "7ea6ff", "3f74ea", "2257d6", "1d49b5", "1c3f93", "1c3874", "14234a"]
UNFOLD = {
    "SITE_TITLE": "Faceplatform",
    "SITE_HEADER": "Faceplatform",
    "SITE_SUBHEADER": "Advanced",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("faceplatform/icon.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("faceplatform/icon.svg")}
    ],
    "STYLES": [lambda request: static("faceplatform/admin.css")],
    "COLORS": {"primary": {name: f"#{shade}" for name, shade in zip(_WEIGHTS, _SHADES, strict=True)}},
}

# --- Recognition ------------------------------------------------------------------------------------------------------
DEFAULT_PACK = "sface"  # of new galleries
MAX_PHOTO_BYTES = env.get("FACEPLATFORM_MAX_PHOTO_MB") * 1024 * 1024
MAX_PHOTO_PIXELS = env.get("FACEPLATFORM_MAX_MEGAPIXELS") * 1_000_000
MAX_PHOTOS_AN_ENROLMENT = 20
# All photos of an enrolment, with some room: a request has them in memory together.
MAX_UPLOAD_BYTES = max(220 * 1024 * 1024, 2 * MAX_PHOTO_BYTES)
DEVICE = env.get("FACEPLATFORM_DEVICE")
PRECISION = env.get("FACEPLATFORM_PRECISION")
RUNTIME = env.get("FACEPLATFORM_RUNTIME")
COMPILED_MODELS_DIR = DATA_DIR / "compiled-models"
LEASE_SECONDS = env.get("FACEPLATFORM_LEASE_SECONDS")
MAX_ATTEMPTS = 3
BACKUP_RETENTION_DAYS = env.get("FACEPLATFORM_BACKUP_RETENTION_DAYS")
BACKUP_DIR = env.get("FACEPLATFORM_BACKUP_DIR")
BACKUP_HOUR = env.get("FACEPLATFORM_BACKUP_HOUR")
BACKUP_KEEP = env.get("FACEPLATFORM_BACKUP_KEEP")
BACKUP_VERIFY = env.get("FACEPLATFORM_BACKUP_VERIFY")
BACKUP_BEFORE_MIGRATING = env.get("FACEPLATFORM_BACKUP_BEFORE_MIGRATING")
BACKUP_RECIPIENTS = env.get("FACEPLATFORM_BACKUP_RECIPIENTS")
METRICS_TOKEN = env.get("FACEPLATFORM_METRICS_TOKEN")
QUEUE_LIMIT = env.get("FACEPLATFORM_QUEUE_LIMIT")
REQUEST_RETENTION_DAYS = env.get("FACEPLATFORM_REQUEST_RETENTION_DAYS")
LOOK_RETENTION_DAYS = env.get("FACEPLATFORM_LOOK_RETENTION_DAYS")
# base64 makes a photo a third larger; 1 MiB is room for the other fields.
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_PHOTO_BYTES * 4 // 3 + 1024 * 1024
MAX_IMPORT_BYTES = env.get("FACEPLATFORM_MAX_IMPORT_MB") * 1024 * 1024
MAX_CSV_BYTES = 64 * 1024 * 1024
KNOWN_CALLER = "recognition.kiosks.callers.is_known"
KNOWN_COOKIES = ("sessionid", "kiosk")  # by which it knows somebody
# How many bodies over 64 KiB a web process receives at a time, and how many bytes they may have together.
PHOTO_BODIES_AT_ONCE = (100, max(1024**3, 2 * MAX_UPLOAD_BYTES))
IMPORT_BODIES_AT_ONCE = (8, 2 * MAX_IMPORT_BYTES)
PURGE_DAYS = env.get("FACEPLATFORM_PURGE_DAYS")
GALLERY_DELETION_DAYS = env.get("FACEPLATFORM_GALLERY_DELETION_DAYS")
INDEX_MEMORY_MB = env.get("FACEPLATFORM_INDEX_MEMORY_MB")

# --- Cameras ----------------------------------------------------------------------------------------------------------
CAMERA_FOLDER = env.get("FACEPLATFORM_CAMERA_FOLDER")
CAMERA_DEVICES = env.get("FACEPLATFORM_CAMERA_DEVICES")
OUTGOING_NETWORKS = env.get("FACEPLATFORM_OUTGOING_NETWORKS")
TELLS_MQTT = env.get("FACEPLATFORM_MQTT_URL") is not None  # the address is no setting: it holds a password
MQTT_PREFIX = env.get("FACEPLATFORM_MQTT_PREFIX")

# --- REST API ---------------------------------------------------------------------------------------------------------
KEY_MAX_DAYS = env.get("FACEPLATFORM_KEY_MAX_DAYS")
KEY_RATE = env.get("FACEPLATFORM_KEY_RATE")
USER_RATE = env.get("FACEPLATFORM_USER_RATE")
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.keys.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.keys.throttling.RateThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["faceplatform.web.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "faceplatform.web.negotiation.ContentNegotiation",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS is not part of the API
    "DEFAULT_PAGINATION_CLASS": "faceplatform.web.api.CursorPagination",
    "DEFAULT_SCHEMA_CLASS": "faceplatform.web.openapi.PlatformSchema",
    "EXCEPTION_HANDLER": "faceplatform.web.api.problem_response",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Faceplatform",
    "DESCRIPTION": "Enrol people in galleries and ask who is in a photo.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    # All operations at once take it half a minute to draw. Deep links would be links inside of buttons.
    "SWAGGER_UI_SETTINGS": {"deepLinking": False, "docExpansion": "none", "defaultModelsExpandDepth": -1},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "faceplatform.web.openapi.add_errors_and_examples",
    ],
    "ENUM_NAME_OVERRIDES": {
        "AlertKindEnum": "recognition.alerts.models.AlertKind",
        "DeliveryStatusEnum": "recognition.alerts.models.DeliveryStatus",
        "CameraKindEnum": "recognition.cameras.models.CameraKind",
        "CameraRoleEnum": "recognition.cameras.models.CameraRole",
        "CameraStatusEnum": "recognition.cameras.models.CameraStatus",
        "KindEnum": "recognition.health.models.HealthFinding.Kind",
        "RoleEnum": ["viewer", "curator", "owner"],
        "DecisionEnum": "recognition.photos.models.Decision",
        "RequestStatusEnum": "recognition.photos.models.Status",
        "PresenceEnum": "recognition.attendance.models.Presence",
        "CorrectedPresenceEnum": "recognition.attendance.models.TO_WRITE_DOWN",
        "ImportStatusEnum": "recognition.imports.models.Import.Status",
    },
}

LOG_FORMAT = env.get("FACEPLATFORM_LOG_FORMAT")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "faceplatform.web.middleware.RequestIdFilter"}},
    "formatters": {
        "plain": {
            "()": "faceplatform.logs.DiscreetFormatter",
            "format": "{asctime} {levelname} {name} [{request_id}] {message}",
            "style": "{",
        },
        "json": {"()": "faceplatform.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["request_id"], "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": env.get("FACEPLATFORM_LOG_LEVEL")},
    # Statements, with their values, are nobody's business, also where everything else is told.
    "loggers": {"procrastinate": {"level": "WARNING"}, "django.db.backends": {"level": "INFO"}},
}
if LOG_FORMAT == "json":
    logging.captureWarnings(True)
