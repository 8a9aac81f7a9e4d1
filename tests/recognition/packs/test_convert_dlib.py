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
def test_refuses_other_files(data):
    with pytest.raises(FormatError):
        read_layers(data)


def test_an_unknown_layer_is_named():
    def integer(value: int) -> bytes:
        return bytes([4]) + value.to_bytes(4, "little")

    def text(value: str) -> bytes:
        return integer(len(value)) + value.encode()

    def number(thousandths: int) -> bytes:  # as the nearest multiple of 2^-20
        return integer(round(thousandths / 1000 * 2**20)) + bytes([0x81, 20])

    means = b"".join(number(mean) for mean in (122782, 117001, 104298))
    head = integer(1) + text("loss_metric_2") + number(1) + number(1) + text("input_rgb_image_sized") + means
    with pytest.raises(FormatError, match="unexpected layer “swish_1”"):
        read_layers(head + integer(150) + integer(150) + text("swish_1"))
