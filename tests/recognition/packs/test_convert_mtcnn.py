"""The golden outputs were computed by InsightFace's published det1–det3, which hold the same weights in BGR order."""

import json
from pathlib import Path

import numpy as np
import pytest

GOLDEN = json.loads((Path(__file__).parent / "golden_mtcnn.json").read_text())
SIZES = {"pnet": 12, "rnet": 24, "onet": 48}


@pytest.mark.parametrize("name", SIZES)
def test_gives_what_the_published_nets_give(pipeline, name):
    size = SIZES[name]
    batch = np.random.default_rng(7).uniform(-1, 1, (2, 3, size, size)).astype("float32")
    outputs = getattr(pipeline.detector, name)(batch)
    assert len(outputs) == len(GOLDEN[name])
    for output, golden in zip(outputs, GOLDEN[name], strict=True):
        assert np.abs(output.reshape(2, -1) - np.array(golden)).max() < 5e-6


def test_pnet_gives_the_same_over_a_larger_image(pipeline):
    """Fully convolutional: each cell of a larger output is that of the 12 px under it."""
    image = np.random.default_rng(8).uniform(-1, 1, (1, 3, 30, 26)).astype("float32")
    box, face = pipeline.detector.pnet(image)
    for row, column in ((0, 0), (3, 5)):
        part = image[:, :, 2 * row : 2 * row + 12, 2 * column : 2 * column + 12]
        one_box, one_face = pipeline.detector.pnet(np.ascontiguousarray(part))
        assert np.abs(box[0, :, row, column] - one_box[0, :, 0, 0]).max() < 5e-6
        assert abs(face[0, 0, row, column] - one_face[0, 0, 0, 0]) < 5e-6
