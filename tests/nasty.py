"""What clients send by mistake or malice."""

from hypothesis import strategies as st

DEEP = "leaf"
for _ in range(200):
    DEEP = [DEEP]
NASTY = [
    None, True, 0, -1, 10**30, -(10**30), 1e308, "NaN", "-Infinity", "1e999", "", " ", "\0", "a\0b", "\ud800", "\udfff!",
    "\u202eevil\u2066", "👩‍👩‍👧‍👦", "Z̷̧a̡l͢g͘o", "é" * 300, "x" * 100_000, "../../etc/passwd", "%00", "9999999-01-01", "0000-00-00",
    "24:00", [], {}, [None], [[[]]], ["\0"], ["\ud800"], [1e308] * 128, list(range(10_000)), {"\0": "\0"}, {"": DEEP}, DEEP,
    "01a2139c-4161-70aa-8796-0efc54225732", "data:,", "====",
]  # fmt: skip
RAW = [
    b"", b"{", b"nul", b"\xff\xfe{\0}\0", b"\x80\x81", b'{"name": NaN}', b'{"name": 1e999}', b'{"a": 1, "a": 2}', b"[" * 100_000,
    b'{"a":' * 50_000, b"1" * 10_000, b'{"name": "\\ud800"}', b"\0", b'"' + b"x" * 1_000_000 + b'"',
]  # fmt: skip
KINDS = [
    "", "text/plain", "application/xml", "application/json; charset=utf-16", "application/json; charset=nonsense",
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/octet-stream", "image/jpeg", "a", "\x7f/\x7f", "application/json;" * 500,
]  # fmt: skip
FILE_NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.sampled_from(
        ["a\0b.jpg", "a\r\nX: y.jpg", "../../a.jpg", '"; filename="b', "\u202egpj.a", "👩‍👩‍👧.png", "é" * 255]
    ),
)
