"""The figures of an evaluation as text, from its stored values; see as_dict of VerificationResult and OpenSetResult."""

from recognition.lab.evaluation.embedding import Failure

Figures = list[tuple[str, str]]
"""(label, figure) each."""
WAYS = {
    "nearest": "Nearest sample",
    "best_few": "Best three samples",
    "mean_vector": "Mean vector",
    "nearest_or_mean": "Nearest sample or mean",
    "s_norm": "s-norm",
    "s_shift": "s-norm, means alone",
}
"""The policies in words; the first is what the platform does."""
LEGEND = 56  # characters that fit into a chart's legend


def figures_of(values: dict) -> Figures:
    """All figures for people to read; docs/evaluation.md explains them."""
    if is_open_set(values):
        return [*_searches(values), *_policies(values), *_platform_threshold(values), *_engine(values)]
    return [*_counts(values), *_accuracy(values), *_rates(values), *_thresholds(values), *_engine(values)]


def is_open_set(values: dict) -> bool:
    """Whether these are searches with strangers, not pairs."""
    return "policies" in values


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


def _searches(values: dict) -> Figures:
    enrolled, searches = values["enrolled"], values["searches"]
    samples = f", at most {values['samples']} of each" if values["samples"] else ""
    return [
        ("People", f"{values['people']}, with {values['faces']} faces"),
        (
            "Gallery of a draw",
            f"{enrolled['people']} people with {enrolled['faces']} faces{samples}; "
            f"{values['people'] - enrolled['people']} people are strangers",
        ),
        (
            "Searches",
            f"{searches['enrolled']} for enrolled people, {searches['strangers']} by strangers, in {values['draws']} draws",
        ),
    ]


def _policies(values: dict) -> Figures:
    return [figure for number, found in enumerate(values["policies"], 1) for figure in _policy(number, found)]


def _policy(number: int, found: dict) -> Figures:
    name = f"{number}. " + WAYS.get(found["policy"], found["policy"])
    return [
        (f"{name}: rank-1", interval(found["rank1"])),
        *(
            (
                f"{name}: FNIR at FPIR {at['fpir']:g}",
                f"{interval(at['fnir'])} at {at['threshold']:.4f}{_against_today(at['difference'])}",
            )
            for at in found["at_fpir"]
        ),
    ]


def _against_today(difference: dict | None) -> str:
    if difference is None:
        return ""
    if verdict(difference) is None:
        return "; no difference shown"
    return f"; {verdict(difference)} by {abs(difference['value']):.4f} ({difference['low']:+.4f} to {difference['high']:+.4f})"


def verdict(difference: dict) -> str | None:
    """better or worse, if the whole interval of a difference of error rates lies on one side of 0."""
    if difference["high"] < 0:
        return "better"
    return "worse" if difference["low"] > 0 else None


def in_pairs(failure: Failure) -> str:
    """In how many pairs an image is, for the end of a line; nothing if there are no pairs."""
    return f" ({failure.pairs} pairs)" if failure.pairs else ""


def interval(found: dict) -> str:
    return f"{found['value']:.4f} ({found['low']:.4f}–{found['high']:.4f})"


def _platform_threshold(values: dict) -> Figures:
    if not (at := values["at_threshold"]):
        return []
    return [
        (
            "At the platform’s threshold",
            f"{at['distance']:.4f}: FPIR {interval(at['fpir'])}, FNIR {interval(at['fnir'])}",
        )
    ]


def _engine(values: dict) -> Figures:
    if not (engine := values["engine"]):
        return []
    nets = ", ".join(f"{net['name']} {net['precision']}" for net in engine["nets"])
    return [("Ran on", f"{engine['device']}: {nets}")]
