"""Making text safe to store in PostgreSQL, and names the same however they were typed."""

import hashlib
import re
import unicodedata

# Characters that show nothing. They come along when a name is copied, and make two names out of one. Where a script needs
# a joiner it is kept (ZERO WIDTH JOINER and NON-JOINER; UAX 31 section 2.3, RFC 5892 appendix A), and so are variation
# selectors, which choose the form of a Chinese or Japanese character.
INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\u3164\uffa0\u2800\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
# Letters and marks of scripts with joiners, and pictures that are joined, may have one after them, if something follows.
JOINING = (
    "\u0590-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc\ufe0f\u2640\u2642"
    "\U00010a00-\U00011fff\U0001f000-\U0001faff"
)
NEEDLESS_JOINER = re.compile(f"(?<![{JOINING}])[\u200c\u200d]|[\u200c\u200d](?=[\u200c\u200d]|$)")


def clean_name(text: str) -> str:
    """A name as it is kept, compared and looked for: composed (NFC), without invisible characters and outer white space."""
    if text.isascii():
        return text.strip()
    seen = INVISIBLE.sub("", text).strip()
    return unicodedata.normalize("NFC", NEEDLESS_JOINER.sub("", seen))


def control_character(text: str) -> str | None:
    """The first character of `text` that no name may hold (controls such as ESC or a line break), as “U+001B”, or None."""
    found = next((c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs")), None)
    return f"U+{ord(found):04X}" if found is not None else None


def same_name(one: str, other: str) -> bool:
    """Whether two names differ in nothing but case and the way they were typed."""
    return clean_name(one).casefold() == clean_name(other).casefold()


def storable(text: str, most: int) -> str:
    """`text` without what PostgreSQL refuses (NUL, lone surrogates), cut to `most` characters.

    A text that is cut ends in a hash of the whole, so that two long texts stay different.
    """
    clean = text.replace("\0", "").encode(errors="replace").decode()
    return clean if len(clean) <= most else clean[: most - 17] + "…" + hashlib.sha256(clean.encode()).hexdigest()[:16]
