from pathlib import Path

import cv2
import pytest
import skimage

from tests.recognition.tracking import passers_by


@pytest.fixture(scope="session")
def orl(faces_dir) -> Path:
    return faces_dir / "orl"


@pytest.fixture(scope="session")
def passings(pipeline, orl) -> list[passers_by.Passing]:
    """Forty people, four at a time, in eight frames each."""
    coffee = cv2.imread(str(Path(skimage.__file__).parent / "data" / "coffee.png"))
    background = cv2.resize(coffee, (passers_by.WIDTH, passers_by.HEIGHT))
    return list(passers_by.pass_by(pipeline, orl, background))
