"""Answers in CompreFace's shapes.

`similarity` is the score of the rest of the API: 0–1, with 0.5 at the threshold: the gallery's for a search, the pack's 1:1
threshold for a comparison of two faces. So an unknown face always stays below 0.5, however near the nearest person is.
"""

from collections.abc import Sequence
from typing import Any

from recognition.analysis.representation import search_as_dict
from recognition.analysis.services import SearchResult
from recognition.compreface.parameters import CALCULATOR, LANDMARKS, PhotoOptions
from recognition.photos.installed_packs import manifest_of
from recognition.photos.models import Decision, RecognitionFace, RecognitionRequest
from recognition.photos.representation import detected_face_as_dict, face_as_dict

MAX_UNKNOWN = 0.4999  # the highest similarity of an unknown face, where rounding would give 0.5
Answer = dict[str, Any]


def recognised(row: RecognitionRequest, options: PhotoOptions) -> Answer:
    """The faces of a recognition loaded with RECOGNITION, each with its most similar subjects."""
    vectors = dict(row.faces.values_list("index", "vector")) if CALCULATOR in options.plugins else {}
    result = []
    for face in row.faces.all():
        shown = face_as_dict(face, row)
        subjects = _subjects(shown["candidates"], shown["decision"])[: options.prediction_count]
        result.append(_face(shown, row, options, vectors.get(face.index)) | {"subjects": subjects})
    return {"result": result} | _versions(row, options)


def detected(row: RecognitionRequest, options: PhotoOptions) -> Answer:
    """The faces of a request loaded with DETECTION or EMBEDDING."""
    return {"result": [_found_face(face, row, options) for face in row.faces.all()]} | _versions(row, options)


def compared(row: RecognitionRequest, matches: Sequence[Answer], options: PhotoOptions) -> list[Answer]:
    """The faces of a comparison's photo with their similarity. matches: from comparison_as_dict."""
    faces = {face.index: face for face in row.faces.all()}
    return [
        _found_face(faces[match["face"]["index"]], row, options) | {"similarity": _similarity_of(match)}
        for match in matches
    ]


def verified(row: RecognitionRequest, matches: Sequence[Answer], options: PhotoOptions) -> Answer:
    """The faces of `row` compared with an enrolled one."""
    return {"result": compared(row, matches, options)} | _versions(row, options)


def verified_pair(
    row: RecognitionRequest, source: RecognitionRequest, matches: Sequence[Answer], options: PhotoOptions
) -> Answer:
    """The faces of `row` compared with the one face of `source`."""
    [face] = source.faces.all()
    pair = {"source_image_face": _found_face(face, source, options), "face_matches": compared(row, matches, options)}
    return {"result": [pair | _versions(row, options)]}


def searched(vectors: Sequence[Sequence[float]], found: Sequence[SearchResult]) -> Answer:
    """The people found for each of `vectors`."""
    return {
        "result": [
            {"embedding": vector, "similarities": _subjects(shown["candidates"], shown["decision"])}
            for vector, shown in zip(vectors, map(search_as_dict, found), strict=True)
        ]
    }


def similar_vectors(pack: str, vectors: Sequence[Sequence[float]], distances: Sequence[float]) -> Answer:
    """The vectors with their similarity, the most similar first."""
    manifest = manifest_of(pack)
    ordered = sorted(zip(distances, vectors, strict=True), key=lambda pair: pair[0])
    return {
        "result": [
            {"embedding": vector, "similarity": round(manifest.score(distance, manifest.threshold_1to1), 5)}
            for distance, vector in ordered
        ]
    }


def _subjects(candidates: Sequence[Answer], decision: str) -> list[Answer]:
    """Each name once. The similarities of an unknown face stay below 0.5; a face too poor to compare has no candidates."""
    limit = 1.0 if decision == Decision.KNOWN else MAX_UNKNOWN
    by_name: dict[str, float] = {}
    for candidate in candidates:
        by_name.setdefault(candidate["identity"]["name"], min(candidate["score"], limit))
    return [{"subject": name, "similarity": similarity} for name, similarity in by_name.items()]


def _similarity_of(match: Answer) -> float:
    return match["score"] if match["decision"] == "same" else min(match["score"], MAX_UNKNOWN)


def _found_face(face: RecognitionFace, row: RecognitionRequest, options: PhotoOptions) -> Answer:
    return _face(detected_face_as_dict(face, row), row, options, face.vector)


def _face(shown: Answer, row: RecognitionRequest, options: PhotoOptions, vector: Sequence[float] | None) -> Answer:
    """shown: a face as photos/representation.py gives it."""
    answer: Answer = {"box": _box(shown, row)}
    if LANDMARKS in options.plugins:
        answer["landmarks"] = [[round(x), round(y)] for x, y in shown["landmarks"]]
    if CALCULATOR in options.plugins and vector is not None:
        answer["embedding"] = [float(value) for value in vector]
    if options.status:
        times = {"detector": row.timings_ms.get("detect", 0.0), "calculator": row.timings_ms.get("embed", 0.0)}
        answer["execution_time"] = times
    return answer


def _box(shown: Answer, row: RecognitionRequest) -> dict[str, float]:
    """The box in whole pixels, cut at the edges of the photo."""
    box = shown["box"]["pixels"]
    return {
        "probability": shown["detection_score"],
        "x_max": min(round(box["x"] + box["width"]), row.image_width),
        "y_max": min(round(box["y"] + box["height"]), row.image_height),
        "x_min": max(round(box["x"]), 0),
        "y_min": max(round(box["y"]), 0),
    }


def _versions(row: RecognitionRequest, options: PhotoOptions) -> Answer:
    if not options.status:
        return {}
    manifest = manifest_of(row.pack)
    return {"plugins_versions": {"detector": manifest.detector, "calculator": manifest.embedder}}
