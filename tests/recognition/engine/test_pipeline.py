import io
import json

import numpy as np
import pytest
from conftest import encoded
from PIL import Image

from recognition.engine.base import PhotoError


def analyse(pipeline, data, purpose="probe"):
    [result] = pipeline.analyse([data], purposes=[purpose])
    return result


def distance(a, b) -> float:
    return float(np.linalg.norm(a.embedding - b.embedding))


def test_one_face_with_everything_about_it(pipeline, hopper):
    result = analyse(pipeline, hopper)
    [face] = result.faces
    assert (result.width, result.height, result.rotation) == (512, 600, 0)
    assert face.detection_score > 0.99
    assert face.embedding.shape == (128,)
    assert face.quality.usable
    assert face.quality.reasons == ()
    left, right, nose, *_ = face.landmarks
    assert face.box.x < left[0] < nose[0] < right[0] < face.box.x + face.box.width
    assert set(result.timings_ms) == {"decode", "detect", "embed"}


def test_same_person_near_other_person_far(pipeline, hopper, hopper_again, collins):
    [first], [again], [other] = (analyse(pipeline, data).faces for data in (hopper, hopper_again, collins))
    assert distance(first, again) < 0.3 < 0.6 < distance(first, other)


def test_two_faces_in_one_photo(pipeline, both, hopper, collins):
    found = analyse(pipeline, both).faces
    alone = [analyse(pipeline, data).faces[0] for data in (hopper, collins)]
    assert sorted(int(np.argmin([distance(face, one) for one in alone])) for face in found) == [0, 1]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_photo_is_found_and_its_box_is_the_photos_own(pipeline, hopper, quarters):
    with Image.open(io.BytesIO(hopper)) as image:
        turned = encoded(image.rotate(-90 * quarters, expand=True), "PNG")
    result = analyse(pipeline, turned)
    [face] = result.faces
    [upright] = analyse(pipeline, hopper).faces
    assert result.rotation == 90 * quarters
    assert distance(face, upright) < 0.2
    assert 0 <= face.box.x < face.box.x + face.box.width <= result.width
    assert face.box.width * face.box.height == pytest.approx(upright.box.width * upright.box.height, rel=0.1)


def test_exif_orientation_needs_no_turn(pipeline, hopper):
    with Image.open(io.BytesIO(hopper)) as image:
        exif = Image.Exif()
        exif[0x0112] = 6
        sideways = encoded(image.rotate(90, expand=True), "JPEG", exif=exif)
    result = analyse(pipeline, sideways)
    assert (result.rotation, result.width, result.height, len(result.faces)) == (0, 512, 600, 1)


def test_a_tight_crop_is_found_with_a_border(pipeline, hopper):
    [face] = analyse(pipeline, hopper).faces
    box = face.box
    with Image.open(io.BytesIO(hopper)) as image:
        tight = image.crop((box.x, box.y + 0.05 * box.height, box.x + box.width, box.y + box.height))
    assert len(analyse(pipeline, encoded(tight, "PNG")).faces) == 1


def test_no_face(pipeline, no_face):
    assert analyse(pipeline, no_face).faces == ()


@pytest.mark.parametrize("size", [(1, 1), (11, 11), (3000, 2), (12, 40)])
def test_tiny_and_narrow_photos_have_no_face(pipeline, size):
    assert analyse(pipeline, encoded(Image.new("RGB", size, "white"), "PNG")).faces == ()


def test_a_bad_photo_does_not_touch_the_others(pipeline, hopper, collins):
    results = pipeline.analyse([hopper, b"junk", collins[:5000], collins], purposes=["probe"] * 4)
    assert [isinstance(result, PhotoError) for result in results] == [False, True, True, False]
    assert [len(results[0].faces), len(results[3].faces)] == [1, 1]


def test_a_batch_gives_what_single_photos_give(pipeline, hopper, collins, both):
    photos = [hopper, collins, both]
    together = pipeline.analyse(photos, purposes=["probe", "enrol", "probe"])
    for photo, purpose, result in zip(photos, ["probe", "enrol", "probe"], together, strict=True):
        alone = analyse(pipeline, photo, purpose)
        for a, b in zip(result.faces, alone.faces, strict=True):
            assert distance(a, b) < 0.01  # bfloat16 rounds by the kernel, and the kernel follows the batch


def test_the_kept_crop_embeds_like_the_photo(pipeline, hopper):
    [face] = analyse(pipeline, hopper, "enrol").faces
    [again] = pipeline.embed_crops([face.crop])
    assert np.linalg.norm(again - face.embedding) < 0.12


def test_a_blurred_face_has_a_reason_and_a_tiny_one_too(pipeline, hopper):
    with Image.open(io.BytesIO(hopper)) as image:
        image = image.convert("RGB")
        soft = encoded(image.resize((64, 75)).resize(image.size, Image.Resampling.BICUBIC), "PNG")
        canvas = Image.new("RGB", (900, 900), "grey")
        canvas.paste(image.resize((96, 112)), (300, 300))
    [blurred] = analyse(pipeline, soft).faces
    assert "low_quality" in blurred.quality.reasons
    [small] = analyse(pipeline, encoded(canvas, "PNG")).faces
    assert "face_too_small" in small.quality.reasons


def test_every_annotated_nose_lies_in_exactly_one_box(pipeline, faces_dir):
    noses = json.loads((faces_dir / "compreface" / "noses.json").read_text())
    for path in sorted((faces_dir / "compreface").glob("*.jpg")):
        faces = analyse(pipeline, path.read_bytes()).faces
        points = noses.get(path.name, [])
        assert len(faces) == len(points), path.name
        for x, y in points:
            hits = [
                f for f in faces if f.box.x <= x <= f.box.x + f.box.width and f.box.y <= y <= f.box.y + f.box.height
            ]
            assert len(hits) == 1, (path.name, x, y)


def test_people_are_told_apart_and_strangers_stay_far(pipeline, faces_dir):
    enrolled = {
        path.parent.name + path.name: analyse(pipeline, path.read_bytes(), "enrol").faces
        for path in sorted((faces_dir / "identities").glob("*/*"))
    }
    assert {len(faces) for faces in enrolled.values()} == {1}
    threshold = pipeline.manifest.size_threshold(5).distance
    strangers = analyse(pipeline, (faces_dir / "probes" / "friends_group.jpg").read_bytes()).faces
    assert len(strangers) == 6
    assert all(face.quality.usable for face in strangers)
    assert min(distance(face, known[0]) for face in strangers for known in enrolled.values()) > threshold + 0.1


# --- Large photos, decoded smaller where that loses nothing ---
def enlarged_jpeg(photo: bytes, width: int, *, rotate: int = 0, room: int = 0) -> bytes:
    with Image.open(io.BytesIO(photo)) as image:
        large = image.convert("RGB").resize(
            (width, round(image.height * width / image.width)), Image.Resampling.BICUBIC
        )
    whole = Image.new("RGB", (large.width + room, large.height + room))
    whole.paste(large, (room // 2, room // 2))
    return encoded(whole.rotate(rotate, expand=True), "JPEG")


@pytest.mark.parametrize("rotate", [0, 90, 180])
@pytest.mark.parametrize(("width", "room"), [(2700, 0), (1400, 1400), (1800, 3400)])
def test_a_large_photo_gives_what_it_gives_decoded_whole(pipeline, collins, monkeypatch, rotate, width, room):
    """Once with a face large enough in the reduced photo, and twice with one that needs the whole photo after all."""
    import recognition.engine.pipeline as module

    photo = enlarged_jpeg(collins, width, rotate=rotate, room=room)
    sizes = []
    detect = pipeline.detector.detect
    monkeypatch.setattr(
        pipeline.detector, "detect", lambda images: sizes.extend(i.shape for i in images) or detect(images)
    )
    reduced = analyse(pipeline, photo, "probe")
    assert max(sizes[0]) < 1500
    monkeypatch.setattr(module, "REDUCED_LONG_SIDE", None)
    whole = analyse(pipeline, photo, "probe")
    assert (reduced.width, reduced.height, reduced.rotation) == (whole.width, whole.height, whole.rotation)
    [face], [expected] = reduced.faces, whole.faces
    side = expected.box.width
    assert np.abs(face.landmarks - expected.landmarks).max() < 0.05 * side
    assert np.abs(np.array(face.box.as_list()) - expected.box.as_list()).max() < 0.1 * side
    assert face.quality.measures["eye_distance"] == pytest.approx(expected.quality.measures["eye_distance"], rel=0.08)
    assert max(face.crop.width, face.crop.height) == max(expected.crop.width, expected.crop.height)
    assert distance(face, expected) < 0.2
