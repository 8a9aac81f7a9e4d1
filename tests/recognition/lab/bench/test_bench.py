"""The benchmark measures what it claims to. How fast anything is, is not tested."""

import json

import pytest
from django.core.management import CommandError, call_command

from recognition.lab.bench.engine import BenchError, compare

pytest.importorskip("onnxruntime", reason="a development requirement")


def test_runtimes_are_compared_on_the_same_net(pack_dir):
    rows = compare("mtcnn", 1, ["mxnet", "ort"], pack_dir.parent, seconds=0.05, rounds=2, processes=1, environment={},
                   say=lambda text: None)  # fmt: skip
    assert [row.runtime for row in rows] == ["mxnet", "ort"]
    ours, theirs = rows
    assert ours.cosine > 0.9999  # two implementations, one result
    assert set(ours.ratio) == {"ort"}
    assert set(theirs.ratio) == {"mxnet"}
    assert all(row.images_per_s > 0 and row.cpu_ms > 0 and row.rss_mb > 20 for row in rows)


def test_a_pack_that_is_not_installed_is_left_out(tmp_path):
    with pytest.raises(BenchError, match="not installed"):
        compare("scrfd", 1, ["mxnet"], tmp_path, seconds=0.05, rounds=1, processes=1, environment={}, say=print)


def test_the_command_writes_figures_for_machines(pack_dir, tmp_path, capsys):
    path = tmp_path / "figures.json"
    call_command("bench", "engine", "--nets", "--rounds", "1", "--json", path)
    figures = json.loads(path.read_text())
    assert figures["chain"]["auto"]["with one face"] == 1
    assert set(figures["chain"]["auto"]["ms"]) >= {"decode", "detect", "embed", "total", "cpu"}
    assert "whole chain" in capsys.readouterr().out
    with pytest.raises(CommandError, match=r"no net .*Known: dlib"):
        call_command("bench", "engine", "--nets", "no-such-net")
