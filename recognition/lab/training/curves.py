"""A run's records: loss and rate by step, and accuracy by set; written as CSV during the run, and drawn as SVG."""

import csv
from collections.abc import Sequence
from pathlib import Path

from recognition.lab.evaluation.charts import Axis, Line, line_chart

LOSSES = ("step", "epoch", "loss", "right", "rate", "images_per_second")
ACCURACIES = ("step", "set", "accuracy", "deviation", "auc")
KINDS = ("genuine", "impostor", "third", "fourth")
# For the file on its own; in a page, the page's stylesheet would colour it.
STYLE = (
    "<style>.chart{font:12px sans-serif;background:#fff}.line,.axis,.mark{fill:none;stroke:#555}.grid{stroke:#ddd}"
    ".line{stroke-width:1.5}.genuine{stroke:#1668b8}.impostor{stroke:#b33}.third{stroke:#383}.fourth{stroke:#a60}</style>"
)


class Curves:
    """loss.csv and accuracy.csv in `folder`. resumed_at: rows after this step are dropped; 0 drops all."""

    def __init__(self, folder: Path, *, resumed_at: int = 0):
        self._folder = folder
        self.losses = self._start_csv("loss.csv", LOSSES, resumed_at)
        self.accuracies = self._start_csv("accuracy.csv", ACCURACIES, resumed_at)

    def add_loss(self, *row: object) -> None:
        """row: the values of LOSSES."""
        self.losses.append([str(value) for value in row])
        self._append("loss.csv", row)

    def add_accuracy(self, *row: object) -> None:
        """row: the values of ACCURACIES."""
        self.accuracies.append([str(value) for value in row])
        self._append("accuracy.csv", row)

    def draw(self) -> None:
        """Draws loss.svg and accuracy.svg, each if there are at least two points."""
        points = [(float(step), float(loss)) for step, _, loss, *_ in self.losses]
        if len(points) > 1:
            self._draw("loss.svg", "Loss", [Line("training", points, KINDS[0])], (0, max(y for _, y in points)))
        names = list(dict.fromkeys(name for _, name, *_ in self.accuracies))
        lines = [
            Line(
                name,
                [(float(row[0]), float(row[2])) for row in self.accuracies if row[1] == name],
                KINDS[n % len(KINDS)],
            )
            for n, name in enumerate(names)
        ]
        if lines and all(len(line.points) > 1 for line in lines):
            self._draw("accuracy.svg", "Verification accuracy", lines, (0.4, 1.0))

    def _draw(self, name: str, title: str, lines: Sequence[Line], span: tuple[float, float]) -> None:
        last = max(x for line in lines for x, _ in line.points)
        text = "; ".join(f"{line.name}: {line.points[0][1]:.4g} first, {line.points[-1][1]:.4g} last" for line in lines)
        low, high = span
        chart = line_chart(
            title=title,
            description=f"By step, up to step {last:g}. {text}.",
            x=Axis("step", 0, last),
            y=Axis(title.lower(), low, high if high > low else low + 1),
            lines=lines,
        )
        svg = chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
            "<title>", STYLE + "<title>", 1
        )
        (self._folder / name).write_text(svg)

    def _start_csv(self, name: str, columns: Sequence[str], resumed_at: int) -> list[list[str]]:
        path, rows = self._folder / name, []
        if resumed_at and path.exists():
            with path.open(newline="") as file:
                rows = [
                    row for row in list(csv.reader(file))[1:] if len(row) == len(columns) and int(row[0]) <= resumed_at
                ]
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([columns, *rows])
        return rows

    def _append(self, name: str, row: Sequence) -> None:
        with (self._folder / name).open("a", newline="") as file:
            csv.writer(file).writerow(row)
