"""Writes a self-contained report folder: index.html, ROC curves and histograms as SVG, and all numbers as JSON."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from recognition.lab.evaluation.drawing import det_chart, distance_chart, roc_chart
from recognition.lab.evaluation.figures import figures_of, for_legend, in_pairs, is_open_set, side_by_side
from recognition.lab.evaluation.open_set import OpenSetResult
from recognition.lab.evaluation.protocol import VerificationResult

STYLE = """
:root { color-scheme: light dark; --ink: #16191f; --soft: #5a6372; --line: #dfe3ea; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #eceff4; --soft: #a3adbd; --line: #2d3440; --page: #101318; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; } th { color: var(--soft); font-size: .85rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
li { overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; } .scroll { overflow-x: auto; }
code { overflow-wrap: anywhere; color: var(--soft); }
"""
CHART_STYLE = """
.chart { color: #16191f; } .chart text { fill: #5a6372; font: 12px system-ui, sans-serif; } .chart .label { font-weight: 600; }
.chart .grid { stroke: #8884; } .chart .axis { stroke: #888; } .chart .line { fill: none; stroke: #2257d6; stroke-width: 2; }
.chart .area { fill-opacity: .3; } .chart .area.genuine { fill: #1a7f4b; stroke: #1a7f4b; }
.chart .area.impostor { fill: #b42318; stroke: #b42318; } .chart .second { stroke: #b45309; } .chart .third { stroke: #1a7f4b; }
.chart .fourth { stroke: #b42318; } .chart .fifth { stroke: #7c3aed; } .chart .sixth { stroke: #0e7490; }
@media (prefers-color-scheme: dark) { .chart text { fill: #a3adbd; } .chart .line.first { stroke: #7ea6ff; } }
.chart .mark { stroke: #888; stroke-width: 1.5; stroke-dasharray: 5 3; } .chart .band { fill: #888; fill-opacity: .15; }
"""
MOST_FAILURES = 200  # listed on the page; the JSON has all


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A pack's name, and its result on a set."""

    pack: str
    result: VerificationResult | OpenSetResult


def as_json(evaluated: Sequence[Evaluated]) -> str:
    """A JSON list: the pack's name and the values of as_dict of the result for each."""
    return json.dumps([{"pack": one.pack, **one.result.as_dict()} for one in evaluated], indent=1, ensure_ascii=False)


def write_report(folder: Path, evaluated: Sequence[Evaluated]) -> None:
    """Writes index.html, results.json and a file for each chart into `folder`, which is made if needed. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(as_json(evaluated) + "\n", encoding="utf-8")
    sets = dict.fromkeys((one.result.set_sha256, one.result.set_name) for one in evaluated)
    sections = []
    for number, (sha256, name) in enumerate(sets, 1):
        group = [one for one in evaluated if one.result.set_sha256 == sha256 and one.result.set_name == name]
        headings, legends = for_legend([one.pack for one in group])
        charts = _charts(f"{number}-{_slug(name)}", legends, group)
        for file, svg in charts.items():
            if svg:
                (folder / f"{file}.svg").write_text(_standalone(svg), encoding="utf-8")
        sections.append(_section(name, sha256, headings, group, [svg for svg in charts.values() if svg]))
    (folder / "index.html").write_text(_page("".join(sections)), encoding="utf-8")


def _charts(name: str, legends: Sequence[str], group: Sequence[Evaluated]) -> dict[str, str]:
    """File names without suffix, and the charts; some are empty."""
    rows = [(one.pack, legend, one.result.as_dict()) for one, legend in zip(group, legends, strict=True)]
    if all(is_open_set(values) for *_, values in rows):
        return {f"det-{name}-{_slug(pack)}": det_chart(values) for pack, _, values in rows}
    charts = {f"roc-{name}": roc_chart([(legend, values) for _, legend, values in rows])}
    return charts | {f"distances-{name}-{_slug(pack)}": distance_chart(values) for pack, _, values in rows}


def _standalone(svg: str) -> str:
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
        "<title>", f"<style>{CHART_STYLE}</style><title>", 1
    )


def _section(name: str, sha256: str, headings: Sequence[str], group: Sequence[Evaluated], charts: Sequence[str]) -> str:
    head = "".join(f"<th scope=col>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        f"<tr><th scope=row>{escape(label)}</th>" + "".join(f"<td>{escape(figure)}</td>" for figure in row) + "</tr>"
        for label, row in side_by_side([figures_of(one.result.as_dict()) for one in group])
    )
    return (
        f"<h2>{escape(name)}</h2><p><code>sha256 {sha256}</code></p>"
        f"<div class=scroll><table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f"{''.join(_notes(one) for one in group)}<div class=charts>{''.join(charts)}</div>"
    )


def _notes(one: Evaluated) -> str:
    notes = "".join(f"<li>{escape(one.pack)}: {escape(note)}</li>" for note in one.result.notes)
    failures = "".join(
        f"<li>{escape(failure.image)}: {escape(failure.reason)}{in_pairs(failure)}</li>"
        for failure in one.result.failures[:MOST_FAILURES]
    )
    unlisted = len(one.result.failures) - MOST_FAILURES
    more = f"<li>and {unlisted} more, in results.json</li>" if unlisted > 0 else ""
    listed = f"<p>{escape(one.pack)} cannot use these images:</p><ul>{failures}{more}</ul>" if failures else ""
    return (f"<ul>{notes}</ul>" if notes else "") + listed


def _page(content: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Evaluation</title><style>{STYLE}{CHART_STYLE}</style><h1>Evaluation</h1>{content}</html>\n"
    )


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:60]
