"""The pages' benchmark starts a platform, fills a gallery and reads its pages. How fast anything is, is not tested."""

import json

from django.core.management import call_command

from recognition.lab.bench.pages import PAGES

MOST_QUERIES, MOST_KB = 15, 150


def test_it_reads_every_page(sface_dir, tmp_path, capsys):
    path = tmp_path / "figures.json"
    call_command("bench", "pages", "--people", "200", "--rounds", "1", "--json", path)
    rows = json.loads(path.read_text())["pages"]
    assert [row["page"] for row in rows] == list(PAGES)
    for row in rows:
        assert row["kb"] <= MOST_KB and row["kb_sent"] < row["kb"] and row["server_p50"] > 0, row
        assert 0 < row["queries"] <= MOST_QUERIES, row
        assert row["first_paint"] is None or row["first_paint"] > 0
    assert "| people |" in capsys.readouterr().out
