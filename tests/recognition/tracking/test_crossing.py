"""Two real people cross before a camera, the one behind hidden for a while: gate, engine and watch together."""

import cv2
import numpy as np
import pytest

from recognition.tracking.base import Ended, Limits, Opened
from recognition.tracking.motion import MotionGate
from recognition.tracking.watch import Watch
from tests.recognition.tracking.made_up import Gallery

WIDTH, HEIGHT, SIDE, FRAMES = 720, 320, 170, 20


@pytest.fixture(scope="module")
def enrolled(pipeline, hopper, collins):
    """Their faces as (vector, picture uint8 BGR of SIDE px)."""
    found = pipeline.analyse([hopper, collins], purposes=["enrol", "enrol"])
    faces = [analysis.faces[0] for analysis in found]
    pictures = [cv2.imdecode(np.frombuffer(face.crop.jpeg, "uint8"), cv2.IMREAD_COLOR) for face in faces]
    return [(face.embedding, cv2.resize(picture, (SIDE, SIDE))) for face, picture in zip(faces, pictures, strict=True)]


def test_two_people_cross(pipeline, enrolled):
    (hopper, front), (_, behind) = enrolled
    gallery, gate = Gallery(), MotionGate()
    hopper_id = gallery.enrol(hopper)
    watch = Watch(search=gallery.search, limits=Limits(pipeline.manifest.size_threshold(1).distance))
    events = []
    for number in range(FRAMES):
        at = 50 + number / 4
        frame = picture(front, behind, number / (FRAMES - 1))
        assert gate.look(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), at=at, tracking=watch.tracking)
        [analysis] = pipeline.analyse([cv2.imencode(".jpg", frame)[1].tobytes()], purposes=["probe"])
        events += watch.see(analysis.faces, frame=number, at=at, width=WIDTH, height=HEIGHT)
    last = {ended.sighting.track: ended.sighting for ended in watch.close() if isinstance(ended, Ended)}
    assert all(isinstance(event, Opened) for event in events)  # nobody was corrected, and no track ended on the way
    assert [(last[track].decision, last[track].identity_id) for track in (1, 2)] in (
        [("known", hopper_id), ("unknown", None)],
        [("unknown", None), ("known", hopper_id)],
    )
    assert len(last) == 2 and last[1].beside == {2}
    in_frames = sorted(sighting.frames for sighting in last.values())
    assert in_frames[1] == FRAMES and FRAMES / 2 < in_frames[0] < FRAMES  # one was hidden for a while


def picture(front: np.ndarray, behind: np.ndarray, passed: float) -> np.ndarray:
    frame = np.full((HEIGHT, WIDTH, 3), 110, "uint8")
    way = WIDTH - SIDE
    for face, x, y in ((behind, round(way * (1 - passed)), 70), (front, round(way * passed), 90)):
        frame[y : y + SIDE, x : x + SIDE] = face
    return frame
