"""What real HTTP clients put on the wire, byte for byte, as it was captured from them: one function per client.

Each takes the path, the headers that the user gives, and the body: a form, whose values are texts or (file name, bytes), or JSON.
Boundaries are made up by the clients; here they are fixed, in each client's own form.
"""

import json
from collections.abc import Callable, Mapping

Form = Mapping[str, "str | tuple[str, bytes]"]
HOST = "127.0.0.1"


def _head(path: str, *lines: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"POST {path} HTTP/{version}", *(line for line in lines if line), "", ""]).encode()


def _given(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def _parts(boundary: str, form: Form, text: str, file: str) -> list[bytes]:
    """The header, the content and the end of each part, and the last boundary. text, file: the lines of a part's header."""
    pieces = []
    for name, value in form.items():
        file_name, data = ("", value.encode()) if isinstance(value, str) else value
        lines = (text if isinstance(value, str) else file).format(name=name, file_name=file_name)
        pieces += [f"--{boundary}\r\n{lines}\r\n\r\n".encode(), data, b"\r\n"]
    return [*pieces, f"--{boundary}--\r\n".encode()]


TEXT = 'Content-Disposition: form-data; name="{name}"'
JPEG = 'Content-Disposition: form-data; name="{name}"; filename="{file_name}"\r\nContent-Type: image/jpeg'
OCTETS = (
    'Content-Disposition: form-data; name="{name}"; filename="{file_name}"\r\nContent-Type: application/octet-stream'
)
NO_TYPE = 'Content-Disposition: form-data; name="{name}"; filename="{file_name}"'


def axios_stream(path: str, headers: Mapping[str, str], form: Form) -> bytes:
    """axios 0.21.4, 0.27.2 and 1.2.1 on Node, with form-data 4 and a file's stream: Double Take, and CompreFace's JavaScript SDK.
    Each write of the form is a chunk."""
    boundary = "--------------------------ec8d77a1033e2a4791242a7e"
    return _head(
        path,
        "Accept: application/json, text/plain, */*",
        f"Content-Type: multipart/form-data; boundary={boundary}",
        *_given(headers),
        "User-Agent: axios/0.21.4",
        f"Host: {HOST}",
        "Connection: keep-alive",
        "Transfer-Encoding: chunked",
    ) + chunked(*_parts(boundary, form, TEXT, JPEG))


def axios_current(path: str, headers: Mapping[str, str], form: Form) -> bytes:
    """axios 1.21.1 asks form-data for the length first."""
    boundary = "--------------------------256c5c5deaef94f834478dbc"
    body = b"".join(_parts(boundary, form, TEXT, JPEG))
    return (
        _head(
            path,
            "Accept: application/json, text/plain, */*",
            f"Content-Type: multipart/form-data; boundary={boundary}",
            *_given(headers),
            "User-Agent: axios/1.21.1",
            f"Content-Length: {len(body)}",
            "Accept-Encoding: gzip, compress, deflate, br",
            f"Host: {HOST}",
            "Connection: keep-alive",
        )
        + body
    )


def node_fetch(path: str, headers: Mapping[str, str], form: Form) -> bytes:
    """fetch of Node 20 (undici) with a FormData."""
    boundary = "----formdata-undici-021865044411"
    body = b"".join(_parts(boundary, form, TEXT, OCTETS))
    return (
        _head(
            path,
            f"host: {HOST}",
            "connection: keep-alive",
            *_given(headers),
            f"content-type: multipart/form-data; boundary={boundary}",
            "accept: */*",
            "accept-language: *",
            "sec-fetch-mode: cors",
            "user-agent: node",
            "accept-encoding: gzip, deflate",
            f"content-length: {len(body)}",
        )
        + body
    )


def curl_form(path: str, headers: Mapping[str, str], form: Form, version: str = "1.1") -> bytes:
    """curl 7.88.1 -F photo=@visitor.jpg"""
    boundary = "------------------------ff2ed4c6572e6fb7"
    body = b"".join(_parts(boundary, form, TEXT, JPEG))
    return (
        _head(
            path,
            f"Host: {HOST}",
            "User-Agent: curl/7.88.1",
            "Accept: */*",
            *_given(headers),
            f"Content-Length: {len(body)}",
            f"Content-Type: multipart/form-data; boundary={boundary}",
            version=version,
        )
        + body
    )


def curl_http_1_0(path: str, headers: Mapping[str, str], form: Form) -> bytes:
    """curl 7.88.1 -0 -F photo=@visitor.jpg"""
    return curl_form(path, headers, form, version="1.0")


def requests_files(path: str, headers: Mapping[str, str], form: Form) -> bytes:
    """requests 2.34.2 with files=: the file's part has no type."""
    boundary = "acf3973e7c0b824ef5778dc364fd8746"
    body = b"".join(_parts(boundary, form, TEXT, NO_TYPE))
    return (
        _head(
            path,
            f"Host: {HOST}",
            "User-Agent: python-requests/2.34.2",
            "Accept-Encoding: gzip, deflate",
            "Accept: */*",
            "Connection: keep-alive",
            *_given(headers),
            f"Content-Length: {len(body)}",
            f"Content-Type: multipart/form-data; boundary={boundary}",
        )
        + body
    )


def go_pipe(path: str, headers: Mapping[str, str], form: Form) -> bytes:
    """Go 1.19: mime/multipart written into an io.Pipe, so that net/http does not know the length."""
    boundary = "09e1a0ee26268e2619bd05fec270e69ab5fd95a8b01935231fede64f4451"
    return _head(
        path,
        f"Host: {HOST}",
        "User-Agent: Go-http-client/1.1",
        "Transfer-Encoding: chunked",
        f"Content-Type: multipart/form-data; boundary={boundary}",
        *_given(headers),
        "Accept-Encoding: gzip",
    ) + chunked(*_parts(boundary, form, TEXT, OCTETS))


DOTNET_BOUNDARY = "6e4d8c9a-28f5-4a4d-9c0e-0d8f3c1f7a52"
DOTNET_TEXT = "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name={name}"
DOTNET_FILE = "Content-Disposition: form-data; name={name}; filename={file_name}; filename*=utf-8''{file_name}"
DOTNET_UNNAMED = "Content-Disposition: form-data; name={name}"


def _dotnet(path: str, headers: Mapping[str, str], form: Form, file: str) -> bytes:
    body = b"".join(_parts(DOTNET_BOUNDARY, form, DOTNET_TEXT, file))
    return (
        _head(
            path,
            f"Host: {HOST}",
            *_given(headers),
            f'Content-Type: multipart/form-data; boundary="{DOTNET_BOUNDARY}"',
            f"Content-Length: {len(body)}",
        )
        + body
    )


def dotnet_form(path: str, headers: Mapping[str, str], form: Form) -> bytes:
    """.NET 6 to 9, MultipartFormDataContent, `form.Add(content, "photo", "visitor.jpg")`: as its source writes it."""
    return _dotnet(path, headers, form, DOTNET_FILE)


def dotnet_form_without_file_name(path: str, headers: Mapping[str, str], form: Form) -> bytes:
    """The same with `form.Add(new ByteArrayContent(bytes), "photo")`: the part looks like one of text."""
    return _dotnet(path, headers, form, DOTNET_UNNAMED)


def dotnet_stream(path: str, headers: Mapping[str, str], form: Form) -> bytes:
    """The same with a stream whose length is not known."""
    return _head(
        path,
        f"Host: {HOST}",
        *_given(headers),
        f'Content-Type: multipart/form-data; boundary="{DOTNET_BOUNDARY}"',
        "Transfer-Encoding: chunked",
    ) + chunked(*_parts(DOTNET_BOUNDARY, form, DOTNET_TEXT, DOTNET_FILE))


def requests_generator(path: str, headers: Mapping[str, str], body: object) -> bytes:
    """requests 2.34.2 with data=generator()."""
    text = json.dumps(body).encode()
    return _head(
        path,
        f"Host: {HOST}",
        "User-Agent: python-requests/2.34.2",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Connection: keep-alive",
        *_given(headers),
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
    ) + chunked(text[:5], text[5:])


def curl_stdin(path: str, headers: Mapping[str, str], body: object) -> bytes:
    """curl 7.88.1 -T - -X POST; it goes on after a second although nobody told it to."""
    return _head(
        path,
        f"Host: {HOST}",
        "User-Agent: curl/7.88.1",
        "Accept: */*",
        "Transfer-Encoding: chunked",
        *_given(headers),
        "Content-Type: application/json",
        "Expect: 100-continue",
    ) + chunked(json.dumps(body).encode())


FORMS: list[Callable[..., bytes]] = [
    axios_stream,
    axios_current,
    node_fetch,
    curl_form,
    curl_http_1_0,
    requests_files,
    go_pipe,
    dotnet_form,
    dotnet_form_without_file_name,
    dotnet_stream,
]
JSONS: list[Callable[..., bytes]] = [requests_generator, curl_stdin]
