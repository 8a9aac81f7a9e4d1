"""The platform's settings on a cluster of the tests' own, so that a platform run from this folder is left alone."""

import os

HOME = "var/test"
os.environ.setdefault("FACEPLATFORM_DATA_DIR", HOME)
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and os.environ["FACEPLATFORM_DATA_DIR"] == HOME:
    os.environ["FACEPLATFORM_DATA_DIR"] = f"{HOME}/{worker}"  # each process of pytest-xdist has a cluster of its own
# What an installation has by default, although the requirements for development include OpenVINO.
os.environ.setdefault("FACEPLATFORM_RUNTIME", "mxnet")

from faceplatform.settings import *  # noqa: E402, F403

# Most tests are not about a pack: the vectors they make up are of this one, which is also the quicker.
DEFAULT_PACK = "dlib-resnet"
# Hashing passwords slowly is Django's business, not what we test.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# A server of the tests' own is not waited for.
WEB_GRACE_SECONDS = 1
# Static files straight from the apps, without collecting them first.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
