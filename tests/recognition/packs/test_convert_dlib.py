import json
from pathlib import Path

import numpy as np
import pytest

from recognition.packs.convert_dlib import FormatError, read_layers
from tests.recognition.packs.chips import golden_chips

GOLDEN = json.loads((Path(__file__).parent / "golden_dlib.json").read_text())


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_embeds_like_dlib_itself(exact_pipeline, name):
    """The golden vectors were computed by dlib 20.0.1 on the same chips."""
    [vector] = exact_pipeline.embedder.embed_chips(golden_chips()[name][None])
    assert np.abs(vector - np.array(GOLDEN[name])).max() < 2e-6


def test_a_batch_gives_what_single_faces_give(exact_pipeline):
    chips = np.stack(list(golden_chips().values()) * 5)
    batched = exact_pipeline.embedder.embed_chips(chips)
    single = np.concatenate([exact_pipeline.embedder.embed_chips(chip[None]) for chip in chips])
    assert np.abs(batched - single).max() < 2e-6


@pytest.mark.parametrize("data", [b"", b"\x01\x01", b"\x01\x01\x01\x0dloss_metric_9", b"\x80" * 40])
def test_refuses_what_is_no_such_file(data):
    with pytest.raises(FormatError):
        read_layers(data)
