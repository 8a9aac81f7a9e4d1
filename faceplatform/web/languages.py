"""The language of a page: its reader's (accounts/users/middleware.py), else one that the browser asks for, else English.

The API speaks English, whatever a client's library asks for by itself: what programs match stays the same for all.
"""

import re
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers

SOURCE = "en"
LEAST = 6  # letters of its own that a text with placeholders must have: "%(a)s to %(b)s" would be found in any sentence
NAMES = frozenset(  # of placeholders whose values are words of the users' own
    ("name", "names", "who", "other", "user", "username", "gallery", "camera", "department", "path", "folder", "photo")
)
PLACEHOLDER = re.compile(r"%\((\w+)\)s")


class LanguageMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith("/api/"):
            with translation.override(SOURCE):
                return self.get_response(request)
        with translation.override(translation.get_language_from_request(request)):
            response = self.get_response(request)
            patch_vary_headers(response, ["Accept-Language"])
            response.headers.setdefault("Content-Language", translation.get_language() or SOURCE)
        return response


def retold(sentence: str) -> str:
    """A sentence that was stored in English, by a worker for example, in the language that is active.

    It is found among the texts that are marked for translation, also where values stand in it ("%(name)s"). What is not
    found stays as it is, and so do names: somebody may be called May.
    """
    language = translation.get_language() or SOURCE
    return sentence if not sentence or language == SOURCE else _retold(language, sentence)


@lru_cache(512)
def _retold(language: str, sentence: str) -> str:
    known = translation.gettext(sentence)
    return _with_values(language, sentence) if known == sentence else known


def _with_values(language: str, sentence: str) -> str:
    """If a text with placeholders has become the sentence, such as "Unknown 3"."""
    for pattern, text in _patterns(language):
        if found := pattern.fullmatch(sentence):
            values = {"count": "1"} | {
                name: _with_values(language, value) if name in NAMES else retold(value)
                for name, value in found.groupdict().items()
            }
            return (
                translation.ngettext(*text, _number(values)) if len(text) == 2 else translation.gettext(*text)
            ) % values
    return sentence


def _number(values: dict[str, str]) -> int:
    return int(values["count"]) if values.get("count", "").isdecimal() else 1


@lru_cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], tuple[str, ...]]]:
    """Of the texts with placeholders: how a sentence made of it looks, and the text (with its plural). The one that says most
    between its placeholders comes first."""
    texts = [text for text in _texts(_catalogue(language)) if PLACEHOLDER.search(text[-1])]
    forms = [(form, text) for text in texts for form in text if _says(form) >= LEAST]
    forms.sort(key=lambda found: -_says(found[0]))
    return [(_pattern(form), text) for form, text in forms]


def _says(text: str) -> int:
    """Letters between the placeholders."""
    return sum(map(str.isalpha, PLACEHOLDER.sub("", text)))


def _pattern(text: str) -> re.Pattern[str]:
    """Of a text with placeholders: the places between them as they are, each placeholder as a group of its name."""
    seen: set[str] = set()

    def group(found: re.Match[str]) -> str:
        name = found[1]
        again = name in seen
        seen.add(name)
        return f"(?P={name})" if again else f"(?P<{name}>.+?)"

    parts = PLACEHOLDER.split(text.replace("%%", "%"))
    names = iter(PLACEHOLDER.finditer(text))
    return re.compile(
        "".join(group(next(names)) if number % 2 else re.escape(part) for number, part in enumerate(parts))
    )


def _catalogue(language: str) -> Path:
    return Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES" / "django.mo"


def _texts(file: Path) -> Iterator[tuple[str, ...]]:
    """The msgids of a .mo file, with their plurals where they have one (GNU gettext manual, 10.3). Those with a context not."""
    data = file.read_bytes() if file.exists() else b""
    count, start = struct.unpack_from("<2I", data, 8) if data else (0, 0)
    for length, offset in struct.iter_unpack("<2I", data[start : start + 8 * count]):
        text = data[offset : offset + length].decode()
        if "\x04" not in text:
            yield tuple(text.split("\0"))
