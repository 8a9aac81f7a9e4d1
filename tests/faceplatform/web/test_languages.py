"""Which language an answer speaks, and stored sentences told in it."""

import shutil
import subprocess

import pytest
from django.http import HttpResponse
from django.utils import translation

from faceplatform.errors import InvalidInput
from faceplatform.web import languages
from faceplatform.web.body_refusals import response_of
from faceplatform.web.languages import retold
from faceplatform.web.later import Later, LaterMiddleware

CATALOGUE = r"""
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

msgid "The camera rests."
msgstr "Die Kamera ruht."

msgid "front"
msgstr "vorn"

msgid "The %(place)s camera saw %(name)s."
msgstr "%(name)s war vor der Kamera %(place)s."

msgid "%(count)s face was found in %(place)s."
msgid_plural "%(count)s faces were found in %(place)s."
msgstr[0] "%(count)s Gesicht in %(place)s."
msgstr[1] "%(count)s Gesichter in %(place)s."

msgctxt "list"
msgid "%(words)s and more"
msgstr "%(words)s und mehr"
"""


@pytest.fixture
def german(client, django_user_model):
    """A client whose browser asks for French, signed in as somebody who has chosen German."""
    user = django_user_model.objects.create_user("lena", language="de")
    client.force_login(user)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "fr"
    return client


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "spoken"), [("", "en"), ("de", "de"), ("ar,en;q=0.5", "ar"), ("pt, fr-CA;q=0.8", "fr"), ("xx", "en")]
)
def test_a_page_speaks_what_the_browser_asks_for(client, asked, spoken):
    response = client.get("/sign-in", headers={"Accept-Language": asked})
    assert response.status_code == 200
    assert response["Content-Language"] == spoken
    assert "Accept-Language" in response["Vary"]
    assert f'lang="{spoken}"' in response.text


@pytest.mark.django_db
def test_the_language_of_the_account_comes_first(german):
    response = german.get("/account")
    assert response["Content-Language"] == "de"
    assert 'lang="de"' in response.text


@pytest.mark.django_db
def test_a_language_does_not_stay_for_the_next_request(german):
    german.get("/account")
    assert translation.get_language() == "en"


@pytest.mark.django_db
def test_the_api_speaks_english_to_everybody(german):
    response = german.get("/api/v1/nothing-here/")
    assert response.json()["detail"] == "There is nothing here, or you have no access to it."
    assert "Content-Language" not in response


@pytest.fixture
def catalogue(tmp_path, settings):
    """The texts above in German, in place of the platform's."""
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_text(CATALOGUE)
    subprocess.run(["msgfmt", "-o", folder / "django.mo", folder / "django.po"], check=True)
    _forget()
    settings.LOCALE_PATHS = [tmp_path]
    with translation.override("de"):
        yield
    _forget()


def _forget() -> None:
    languages._retold.cache_clear()
    languages._patterns.cache_clear()


@pytest.mark.skipif(not shutil.which("msgfmt"), reason="needs GNU gettext")
@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("The camera rests.", "Die Kamera ruht."),
        ("The front camera saw Ada.", "Ada war vor der Kamera vorn."),
        ("1 face was found in the hall.", "1 Gesicht in the hall."),
        ("3 faces were found in the hall.", "3 Gesichter in the hall."),
        ("The front camera saw front.", "front war vor der Kamera vorn."),  # somebody who is called so
        ("Ada and more", "Ada and more"),
        ("Nobody has marked this.", "Nobody has marked this."),
        ("", ""),
    ],
)
def test_a_stored_sentence_is_told_again(catalogue, stored, told):
    assert retold(stored) == told
    with translation.override("en"):
        assert retold(stored) == stored


class Arrived:
    def wait(self, seconds: float) -> bool:
        return True

    def close(self) -> None:
        pass


def test_an_answer_that_is_waited_for_speaks_as_the_page_does(rf):
    def view(request):
        response = HttpResponse()
        with translation.override("de"):
            response.later = Later(Arrived, 1, lambda: HttpResponse(translation.get_language()))
        return response

    assert LaterMiddleware(view)(rf.get("/")).text == "de"


@pytest.mark.parametrize(("asked", "spoken"), [(b"de, en;q=0.5", "de"), (b"xx", "en")])
def test_the_refusal_of_an_upload_speaks_what_the_browser_asks_for(asked, spoken):
    scope = {"type": "http", "method": "POST", "path": "/photos", "headers": [(b"accept-language", asked)]}
    response = response_of(scope, InvalidInput("Too large.", status=413), "some-id")
    assert (response.status_code, f'lang="{spoken}"' in response.text) == (413, True)


@pytest.mark.django_db
def test_so_does_a_page_that_cannot_be_called_so(german):
    response = german.get("/sign-out")
    assert (response.status_code, 'lang="fr"' in response.text) == (405, True)
