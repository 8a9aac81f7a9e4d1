"""Marks what the engine says for translation, under the name that `make languages` looks for. Imports nothing."""


def gettext_noop(sentence: str) -> str:
    """The sentence itself: the engine speaks English, and pages retell it (faceplatform/web/languages.py)."""
    return sentence
