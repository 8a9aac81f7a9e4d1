"""Dates and times look the same on all pages: a month is written in letters."""

import re
from datetime import UTC, datetime
from pathlib import Path

from django.template import Context, Template
from django.utils.formats import localize

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
# In numbers: for machines, that is in attributes and addresses, and in comparisons.
FOR_MACHINES = re.compile(r"""(?:="|[?&;]\w+=)\{\{[^}]*\}\}|\{%[^%]*%\}""")


def test_the_format_is_that_of_the_admin_site_too():
    moment = datetime(2026, 3, 1, 8, 5, tzinfo=UTC)
    assert localize(moment) == "1 Mar 2026 08:05" and localize(moment.date()) == "1 Mar 2026"
    assert Template('{{ at|date:"DATETIME_FORMAT" }}').render(Context({"at": moment})) == "1 Mar 2026 08:05"


def test_no_page_shows_a_date_in_numbers(subtests):
    for path in TEMPLATES.rglob("*.html"):
        with subtests.test(path.name):
            shown = FOR_MACHINES.sub("", path.read_text())
            assert not re.findall(r'\{\{[^}]*date:"[^"]*(?:m-d|d/m|m/d)[^}]*\}\}', shown)
