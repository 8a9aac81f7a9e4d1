"""The API's benchmark starts a platform, calls it and counts. How fast anything is, is not tested."""

import json

import pytest
from django.core.management import CommandError, call_command


def test_it_starts_and_measures_a_platform(pack_dir, tmp_path, capsys):
    path = tmp_path / "figures.json"
    options = ["--clients", "3", "--seconds", "0.5", "--minutes", "0.05", "--workers", "1", "--json", path]
    call_command("bench", "api", *options)
    figures = json.loads(path.read_text())
    rows = {(row["call"], row["clients"]): row for row in figures["calls"]}
    assert set(rows) == {("recognise", 3), ("detect", 3), ("read", 3)}
    for row in rows.values():
        assert row["errors"] == {} and row["calls"] > 0
        assert row["p50"] <= row["p95"] <= row["p99"]
        assert set(row["cpu_ms"]) == {"workers", "cameras", "web", "jobs", "database", "clients"}
    recognised = rows["recognise", 3]
    assert 0 < recognised["outside_engine"] < 1 and recognised["added_ms"] > 0
    assert recognised["engine_ratio"] > 0 and recognised["engine_cpu_ms"] > 0
    assert rows["read", 3]["added_ms"] is None and rows["read", 3]["cpu_ms"]["web"] > 0
    soak = figures["soak"]
    assert soak["errors"] == {} and set(soak["megabytes"]) == {"start", "middle", "end"}
    assert {part: len(each) for part, each in soak["megabytes"]["end"].items()} == {
        "workers": 1,
        "cameras": 1,
        "web": 1,
        "jobs": 1,
        "database": 1,
    }
    assert all(soak["megabytes"]["end"]["workers"]) and "x engine" in capsys.readouterr().out


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(CommandError, match="--url needs --key"):
        call_command("bench", "api", "--url", "http://127.0.0.1:1")
    with pytest.raises(CommandError, match="No gallery could be made"):
        call_command("bench", "api", "--url", "http://127.0.0.1:1", "--key", "fp_none")
    with pytest.raises(CommandError, match="Omit --url"):
        call_command("bench", "api", "--url", "http://127.0.0.1:1", "--key", "fp_none", "--samples", "1000")
