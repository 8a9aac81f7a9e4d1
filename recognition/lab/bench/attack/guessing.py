"""25 clients guess a password at the sign-in page, without a pause."""

import re
from collections import Counter
from itertools import count
from urllib.parse import urlencode

from recognition.lab.bench.attack.target import Attack, Target, ask, many

CLIENTS = 25


class Guessing(Attack):
    def __init__(self, target: Target):
        super().__init__(target)
        _, page, headers = ask(target, "GET", "/sign-in", None, {})
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.decode())
        self.token = found.group(1) if found else ""
        cookie = next((value for name, value in headers.items() if name.lower() == "set-cookie"), "")
        self.cookie = cookie.partition(";")[0]
        self.number = count()

    def run(self, seconds: float) -> Counter[str]:
        return many(CLIENTS, self._guess, seconds)

    def _guess(self, deadline: float) -> str:
        fields = {"csrfmiddlewaretoken": self.token, "username": "bench", "password": f"guess {next(self.number)}"}
        headers = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded"}
        return ask(self.target, "POST", "/sign-in", urlencode(fields).encode(), headers)[0]
