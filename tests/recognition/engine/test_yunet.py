"""YuNet's reader and decoder, with a net of its outputs made here; the published file is not needed."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from recognition.engine.mxnet_yunet import STRIDES, YunetDetector, _decoded
from recognition.engine.pack_nets import PackNets
from recognition.packs.import_onnx import YUNET_CHANNELS, detector_graph, scrfd_graph, yunet_graph
from recognition.packs.install import save_graph

KINDS = ("cls", "obj", "bbox", "kps")


def written(path, order=KINDS, bias=0.0):
    """A net with YuNet's outputs: convolutions to the strides 8, 16 and 32, and four heads of each. bias: of the first two."""
    random = np.random.RandomState(3)
    nodes, weights = [], []

    def convolution(data: str, name: str, of: int, to: int, kernel: int, stride: int, shift: float = 0.0) -> str:
        values = random.normal(0, 0.01, (to, of, kernel, kernel)).astype("float32")
        weights.extend([
            numpy_helper.from_array(values, f"{name}_w"),
            numpy_helper.from_array(np.full(to, shift, "float32"), f"{name}_b"),
        ])  # fmt: skip
        pads, strides = [kernel // 2] * 4, [stride] * 2
        inputs = [data, f"{name}_w", f"{name}_b"]
        nodes.append(helper.make_node("Conv", inputs, [name], pads=pads, strides=strides, kernel_shape=[kernel] * 2))
        return name

    at, size, outputs = "input", 128, {}
    for number in range(5):
        at = convolution(at, f"body{number}", 3 if number == 0 else 16, 16, 3, 2)
        size //= 2
        for kind, channels in zip(KINDS, YUNET_CHANNELS, strict=True) if number >= 2 else ():
            stride, name = 128 // size, f"{kind}_{128 // size}"
            shift = bias if kind in ("cls", "obj") else 0.0
            head = convolution(at, f"{name}_map", 16, channels, 1, 1, shift)
            if kind in ("cls", "obj"):
                nodes.append(helper.make_node("Sigmoid", [head], [f"{name}_sigmoid"]))
                head = f"{name}_sigmoid"
            nodes.append(helper.make_node("Transpose", [head], [f"{name}_last"], perm=[0, 2, 3, 1]))
            weights.append(numpy_helper.from_array(np.array([1, -1, channels]), f"{name}_shape"))
            nodes.append(helper.make_node("Reshape", [f"{name}_last", f"{name}_shape"], [name]))
            outputs[kind, stride] = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size * size, channels])
    made = helper.make_graph(
        nodes, "yunet", [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 128, 128])],
        [outputs[kind, stride] for kind in order for stride in STRIDES], weights,
    )  # fmt: skip
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_it_is_told_from_an_scrfd_and_another_order_is_refused(tmp_path):
    kind, graph = detector_graph(written(tmp_path / "yunet.onnx"))
    assert (kind, len(graph.outputs)) == ("yunet", 12)
    other = written(tmp_path / "other.onnx", order=("bbox", "cls", "obj", "kps"))
    for read in (yunet_graph, detector_graph, scrfd_graph):
        with pytest.raises(Exception, match="is not a"):
            read(other)


@pytest.mark.parametrize(("bias", "finds"), [(-9.0, False), (9.0, True)])
def test_boxes_come_back_in_px_of_the_photo(tmp_path, bias, finds):
    """Sure of every cell, or of none: sides of one stride (exp 0), centred on the cell's corner."""
    save_graph(yunet_graph(written(tmp_path / "yunet.onnx", bias=bias)), tmp_path, "detector")
    detector = YunetDetector(PackNets(tmp_path))
    image = np.full((300, 1280, 3), 90, "uint8")  # is shrunk to half
    [faces] = detector.detect([image])
    assert bool(faces) == finds
    if finds:
        assert max(face.box.width for face in faces) == pytest.approx(64, rel=0.3)  # a stride of 32, twice
        assert min(face.box.width for face in faces) == pytest.approx(16, rel=0.3)
        assert all(-40 <= face.box.x <= 1320 and face.landmarks.shape == (5, 2) for face in faces)
        assert detector.quarter_turns(image, faces) == 0  # no way up is better than this one


def test_a_cell_is_decoded():
    maps = [np.zeros((1, channels, 4, 4), "float32") for channels in YUNET_CHANNELS for _ in STRIDES]
    maps[1][0, 0, 2, 3], maps[4][0, 0, 2, 3] = 0.9, 0.9  # stride 16
    maps[7][0, :, 2, 3] = 0.5, 0.25, np.log(2), np.log(4)
    maps[10][0, :, 2, 3] = np.arange(10) / 10
    boxes, points = _decoded(maps, 1)
    assert boxes[0] == pytest.approx([56 - 16, 36 - 32, 56 + 16, 36 + 32, 0.9], abs=1e-4)
    assert points[0][4] == pytest.approx([(3 + 0.8) * 16, (2 + 0.9) * 16], abs=1e-4)
    assert not len(_decoded(maps, 0)[0]) and not len(_decoded(maps, 2)[0])
