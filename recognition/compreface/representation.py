"""Answers in CompreFace's shapes.

`similarity` is the score of the rest of the API: 0–1, 0.5 at the threshold – the gallery's where somebody is searched for,
the pack's for 1:1 where two faces are compared. So whoever is unknown stays below 0.5, however near the nearest person is.
"""

from collections.abc import Sequence
from typing import Any

from recognition.analysis.representation import search_as_dict
from recognition.analysis.services import SearchResult
from recognition.compreface.parameters import CALCULATOR, LANDMARKS, Wish
from recognition.photos.installed_packs import manifest_of
from recognition.photos.models import Decision, RecognitionFace, RecognitionRequest
from recognition.photos.representation import detected_face_as_dict, face_as_dict

BELOW = 0.4999  # the most that an unknown is similar to anybody, where rounding would say 0.5
Answer = dict[str, Any]


def recognised(row: RecognitionRequest, wish: Wish) -> Answer:
    """Takes a recognition from `with_results()`."""
    vectors = dict(row.faces.values_list("index", "vector")) if CALCULATOR in wish.plugins else {}
    result = []
    for face in row.faces.all():
        shown = face_as_dict(face, row)
        subjects = _subjects(shown["candidates"], shown["decision"])[: wish.prediction_count]
        result.append(_face(shown, row, wish, vectors.get(face.index)) | {"subjects": subjects})
    return {"result": result} | _versions(row, wish)


def detected(row: RecognitionRequest, wish: Wish) -> Answer:
    """Takes a row of `analyses()`."""
    return {"result": [_of_row(face, row, wish) for face in row.faces.all()]} | _versions(row, wish)


def compared(row: RecognitionRequest, matches: Sequence[Answer], wish: Wish) -> list[Answer]:
    """Faces of a comparison's photo with their similarity. matches: of analysis.representation.comparison_as_dict."""
    faces = {face.index: face for face in row.faces.all()}
    return [
        _of_row(faces[match["face"]["index"]], row, wish) | {"similarity": _similarity_of(match)} for match in matches
    ]


def verified(row: RecognitionRequest, matches: Sequence[Answer], wish: Wish) -> Answer:
    """Faces compared with an enrolled one."""
    return {"result": compared(row, matches, wish)} | _versions(row, wish)


def verified_pair(row: RecognitionRequest, source: RecognitionRequest, matches: Sequence[Answer], wish: Wish) -> Answer:
    """Faces of `row` compared with the one of `source`."""
    [face] = source.faces.all()
    pair = {"source_image_face": _of_row(face, source, wish), "face_matches": compared(row, matches, wish)}
    return {"result": [pair | _versions(row, wish)]}


def searched(vectors: Sequence[Sequence[float]], found: Sequence[SearchResult]) -> Answer:
    """What the search for each of `vectors` found."""
    return {
        "result": [
            {"embedding": vector, "similarities": _subjects(shown["candidates"], shown["decision"])}
            for vector, shown in zip(vectors, map(search_as_dict, found), strict=True)
        ]
    }


def similar_vectors(pack: str, vectors: Sequence[Sequence[float]], distances: Sequence[float]) -> Answer:
    """The most similar first."""
    manifest = manifest_of(pack)
    ordered = sorted(zip(distances, vectors, strict=True), key=lambda pair: pair[0])
    return {
        "result": [
            {"embedding": vector, "similarity": round(manifest.score(distance, manifest.threshold_1to1), 5)}
            for distance, vector in ordered
        ]
    }


def _subjects(candidates: Sequence[Answer], decision: str) -> list[Answer]:
    """Each name once. Somebody unknown is not similar enough to anybody; a face too poor to compare has no candidates."""
    most = 1.0 if decision == Decision.KNOWN else BELOW
    found = {}
    for candidate in candidates:
        found.setdefault(candidate["identity"]["name"], min(candidate["score"], most))
    return [{"subject": name, "similarity": similarity} for name, similarity in found.items()]


def _similarity_of(match: Answer) -> float:
    return match["score"] if match["decision"] == "same" else min(match["score"], BELOW)


def _of_row(face: RecognitionFace, row: RecognitionRequest, wish: Wish) -> Answer:
    return _face(detected_face_as_dict(face, row), row, wish, face.vector)


def _face(shown: Answer, row: RecognitionRequest, wish: Wish, vector) -> Answer:
    """shown: a face as representation.py has it."""
    answer = {"box": _box(shown, row)}
    if LANDMARKS in wish.plugins:
        answer["landmarks"] = [[round(x), round(y)] for x, y in shown["landmarks"]]
    if CALCULATOR in wish.plugins and vector is not None:
        answer["embedding"] = [float(value) for value in vector]
    if wish.status:
        times = {"detector": row.timings_ms.get("detect", 0.0), "calculator": row.timings_ms.get("embed", 0.0)}
        answer["execution_time"] = times
    return answer


def _box(shown: Answer, row: RecognitionRequest) -> dict[str, float]:
    """Whole px inside the photo."""
    box = shown["box"]["pixels"]
    return {
        "probability": shown["detection_score"],
        "x_max": min(round(box["x"] + box["width"]), row.image_width),
        "y_max": min(round(box["y"] + box["height"]), row.image_height),
        "x_min": max(round(box["x"]), 0),
        "y_min": max(round(box["y"]), 0),
    }


def _versions(row: RecognitionRequest, wish: Wish) -> Answer:
    if not wish.status:
        return {}
    manifest = manifest_of(row.pack)
    return {"plugins_versions": {"detector": manifest.detector, "calculator": manifest.embedder}}
