"""A real SMTP server on this machine."""

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.policy import default
from typing import Any


class MailServer(socketserver.ThreadingTCPServer):
    """Takes what it is sent. refuses: each recipient, for now. hangs: says nothing at all. received: (recipient, message)."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refuses = self.hangs = False
        self.waiting, self.over = threading.Event(), threading.Event()  # somebody waits for an answer; nobody gets one
        self.received: list[tuple[str, email.message.EmailMessage]] = []


class _Handler(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        if self.server.hangs:
            self.server.waiting.set()
            self.server.over.wait()
            return
        self._say("220 here")
        recipient = ""
        while line := self.rfile.readline().decode().strip():
            word = line[:4].upper()
            if word == "RCPT" and self.server.refuses:
                self._say("450 later")
            elif word == "DATA":
                self._say("354 go on")
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line)
                message = email.message_from_bytes(b"".join(lines), policy=default)
                self.server.received.append((recipient, message))
                self._say("250 taken")
            else:
                recipient = line.partition("<")[2].partition(">")[0] if word == "RCPT" else recipient
                self._say("221 bye" if word == "QUIT" else "250 yes")

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


@contextmanager
def mail_server(settings: Any) -> Iterator[MailServer]:
    """One that the platform is set up with."""
    server = MailServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    settings.SENDS_EMAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.server_address[1], 10
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
