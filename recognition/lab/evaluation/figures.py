"""The figures of an evaluation as text, from its stored values; see VerificationResult.as_dict."""

Figures = list[tuple[str, str]]
"""(label, figure) each."""
LEGEND = 56  # characters that fit into a chart's legend


def figures_of(values: dict) -> Figures:
    """All figures for people to read; docs/evaluation.md explains them."""
    return [*_counts(values), *_accuracy(values), *_rates(values), *_thresholds(values), *_engine(values)]


def side_by_side(columns: list[Figures]) -> list[tuple[str, list[str]]]:
    """A row for each label that occurs: the label, and each column's figure, or "–" if it has none."""
    by_label = [dict(column) for column in columns]
    labels = dict.fromkeys(label for column in columns for label, _ in column)
    return [(label, [figures.get(label, "–") for figures in by_label]) for label in labels]


def for_legend(names: list[str]) -> tuple[list[str], list[str]]:
    """The names as headings and for a chart's legend. If they are too long for the legend, both are numbered."""
    if sum(len(name) + 5 for name in names) <= LEGEND:
        return names, names
    return [f"{number}. {name}" for number, name in enumerate(names, 1)], [str(n) for n in range(1, len(names) + 1)]


def share(value: float | None, digits: int = 4) -> str:
    return "not defined" if value is None else f"{value:.{digits}f}"


def _counts(values: dict) -> Figures:
    figures = [("Pairs", f"{values['pairs']}: {values['genuine']} of one person, {values['impostor']} of two")]
    if values["compared"] < values["pairs"]:
        figures.append(
            ("Compared", f"{values['compared']}; {len(values['failures'])} of {values['images']} images cannot be used")
        )
    return figures


def _accuracy(values: dict) -> Figures:
    accuracy = share(values["accuracy"])
    if values["accuracy"] is not None:
        accuracy += f" ± {values['deviation']:.4f}"
    figures = [("Accuracy", accuracy)]
    if values["compared"] < values["pairs"]:
        figures.append(("Accuracy, failures wrong", share(values["accuracy_all"])))
    if values["accuracy"] is not None:
        figures.append(("Folds, thresholds", f"{values['fold_kind']}, {values['thresholds']}"))
    return figures


def _rates(values: dict) -> Figures:
    return [
        ("ROC-AUC", share(values["auc"], 6)),
        ("EER", share(values["eer"])),
        *(
            (
                f"TAR at FAR {found['far']:g}",
                f"{found['tar']:.4f} ({found['low']:.4f}–{found['high']:.4f}) at {found['threshold']:.4f}",
            )
            for found in values["tar_at_far"]
        ),
    ]


def _thresholds(values: dict) -> Figures:
    figures = [
        (f"Distances of {name}", f"{least:.4f} to {largest:.4f}, median {median:.4f}")
        for kind, name in (("genuine", "one person"), ("impostor", "two people"))
        if kind in values["spread"]
        for least, median, largest in [values["spread"][kind]]
    ]
    if best := values["best"]:
        cosine = f", cosine {1 - best['threshold'] ** 2 / 2:.4f}" if values["metric"] == "cosine" else ""
        figures.append(("Best threshold", f"{best['threshold']:.4f} ({best['low']:.4f}–{best['high']:.4f}){cosine}"))
        figures.append(("Accuracy there", f"{best['accuracy']:.4f}, chosen on these very pairs"))
    if at := values["at_threshold"]:
        figures.append(
            ("At the pack’s threshold", f"{at['distance']:g}: TAR {share(at['tar'])}, FAR {share(at['far'])}")
        )
    return figures


def _engine(values: dict) -> Figures:
    if not (engine := values["engine"]):
        return []
    nets = ", ".join(f"{net['name']} {net['precision']}" for net in engine["nets"])
    return [("Ran on", f"{engine['device']}: {nets}")]
