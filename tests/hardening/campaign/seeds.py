"""Good files of every kind that strangers may send, to be damaged; and some that are made to harm as they are."""

import io
import json
import pickle
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from recognition.lab.bench.attack import photos as hard
from recognition.lab.bench.attack.bodies import nested_lists, zip_of_empty_files
from tests.archives import Member, raw_zip, zipped
from tests.hardening.campaign.mutants import HEIGHT, WIDTH

Files = dict[str, bytes]
# What Pillow calls the format → how it is saved. DIB is made from a BMP.
SAVED: dict[str, dict] = {
    "JPEG": {}, "PNG": {}, "WEBP": {}, "GIF": {}, "BMP": {}, "TIFF": {}, "AVIF": {}, "HEIF": {}, "JPEG2000": {}, "TGA": {},
    "PPM": {}, "ICO": {"sizes": [(WIDTH, HEIGHT)]},
}  # fmt: skip
MORE: dict[str, tuple[str, dict]] = {
    "progressive JPEG": ("JPEG", {"progressive": True, "exif": b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"}),
    "packed TIFF": ("TIFF", {"compression": "tiff_lzw"}),
    "deflated TIFF": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "run-length TGA": ("TGA", {"compression": "tga_rle"}),
    "lossless WEBP": ("WEBP", {"lossless": True}),
}  # fmt: skip


@cache
def photos() -> Files:
    """One of each format that is read, of WIDTH × HEIGHT px, and photos made to be hard."""
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT // 8 + 1, WIDTH // 8 + 1, 3), "uint8")
    image = Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    made = {kind: _saved(image, kind, options) for kind, options in SAVED.items()}
    made |= {name: _saved(image, kind, options) for name, (kind, options) in MORE.items()}
    made["DIB"] = made["BMP"][14:]
    made["16-bit PNG"] = _saved(Image.fromarray(np.full((HEIGHT, WIDTH), 9_000, "uint16")), "PNG", {})
    made["grey 16-bit TIFF"] = _saved(Image.fromarray(np.full((HEIGHT, WIDTH), 9_000, "uint16")), "TIFF", {})
    frames = [image.rotate(10 * number) for number in range(4)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        made[f"{kind} of frames"] = _saved(frames[0], kind, {"save_all": True, "append_images": frames[1:]})
    made |= {
        "scans": hard.baseline_scan_bomb(20),
        "PNG with a large text": hard.png_with(b"zTXt", 5_000_000),
        "PNG with a large profile": hard.png_with(b"iCCP", 5_000_000),
        "TIFF in a circle": hard.tiff_in_a_circle(),
        "TIFF of strips": hard.tiff_of_strips(500),
        "deep EXIF": hard.jpeg_with_deep_exif(100),
    }
    return made


def _saved(image: Image.Image, kind: str, options: dict) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@cache
def archives() -> Files:
    photo = photos()["JPEG"]
    paths = ["../../up.jpg", "/etc/passwd.jpg", "C:\\x.jpg", "a/" * 40 + "1.jpg", "a\0b/1.jpg", "n" * 2000 + "/1.jpg"]
    methods = [Member(b"Ada/1.jpg", photo, method=number, packed=photo) for number in (9, 12, 14, 93, 99)]
    return {
        "by folder": zipped({"Ada/1.jpg": photo, "Ben/1.png": photos()["PNG"]}).getvalue(),
        "with a table": zipped({"people.csv": b"name,photo\nAda,a.jpg\nBen,../a.jpg\n", "a.jpg": photo}).getvalue(),
        "odd paths": raw_zip([Member(name.encode(), photo) for name in paths]).getvalue(),
        "sizes after the data": raw_zip([Member(b"Ada/1.jpg", photo, flags=8)]).getvalue(),
        "other methods": raw_zip(methods).getvalue(),
        "a bomb": zipped({"Ada/1.jpg": bytes(20_000_000)}).getvalue(),
        "empty files": zip_of_empty_files(2_000),
        "a ZIP in it": zipped({"Ada/1.zip": zipped({"Ada/1.jpg": photo}).getvalue()}).getvalue(),
    }


@cache
def tables() -> Files:
    return {
        "commas": "name,photo,department\nAda,a.jpg,x\nÉmile,b.jpg,\n".encode(),
        "semicolons": b"name;photo\r\nAda;a.jpg\r\n",
        "UTF-16": "name\tphoto\nAda\ta.jpg\n".encode("utf-16"),
        "quotes": b'name,photo\n"A ""d""\na",a.jpg\n',
    }


@cache
def pickles() -> Files:
    photo = photos()["JPEG"]
    images, pixels = [photo] * 4, [np.zeros((112, 112, 3), "uint8")] * 4
    made = {f"protocol {number}": pickle.dumps((images, [True, False]), number) for number in (2, 3, 4, 5)}
    made |= {f"pixels {number}": pickle.dumps((pixels, np.array([True, False])), number) for number in (2, 5)}
    made["runs code"] = pickle.dumps((images, [_Runs()]))
    return made


class _Runs:
    def __reduce__(self) -> tuple:
        return (exec, ("raise SystemExit('it ran')",))


@cache
def nets() -> tuple[Files, Files, Files]:
    """Symbols, params and ONNX files of small nets."""
    from recognition.engine.mxnet_runtime import import_mxnet, save_net

    mx = import_mxnet()
    data = mx.sym.Variable("data")
    net = mx.sym.Convolution(data, num_filter=4, kernel=(3, 3), stride=(2, 2), name="conv")
    net = mx.sym.LeakyReLU(mx.sym.BatchNorm(net, name="bn", fix_gamma=False), act_type="prelu", name="relu")
    net = mx.sym.FullyConnected(
        mx.sym.Pooling(net, global_pool=True, kernel=(1, 1), pool_type="avg"), num_hidden=8, name="fc1"
    )
    shapes, _, auxiliary = net.infer_shape(data=(1, 3, 112, 112))
    known = [*zip(net.list_arguments(), shapes, strict=True), *zip(net.list_auxiliary_states(), auxiliary, strict=True)]
    params = {name: np.ones(shape, "float32") for name, shape in known if name != "data"}
    with tempfile.TemporaryDirectory() as folder:
        symbol, weights = (Path(folder) / name for name in save_net(net, params, Path(folder), "model"))
        symbols, weighted = {"net": symbol.read_bytes()}, {"net": weights.read_bytes()}
    symbols |= {"deep": nested_lists(50_000), "nodes": b'{"nodes": [{"op": []}]}', "text": b'{"nodes": "abc"}'}
    return symbols, weighted, {"net": _onnx()}


def _onnx() -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype("float32"), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4, strides=[1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["y"]),
    ]
    shapes: dict[str, tuple | None] = {"x": (1, 3, 8, 8), "y": None}
    first, last = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    graph = helper.make_graph(nodes, "net", [first], [last], [weights])
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    return model.SerializeToString()


@cache
def manifests() -> Files:
    good = {
        "name": "pack", "title": "A pack", "detector": "mtcnn", "embedder": "embedder-people", "dim": 8, "alignment": "arcface",
        "colours": "rgb", "mean": [0, 0, 0], "std": [1, 1, 1], "metric": "L2", "licence": "CC0", "commercial_use": True,
        "sources": [], "files": {}, "threshold_1to1": 0.5, "score_slope": 10.0,
        "far_curve": [[0.1, 0.0, 0.1], [0.5, 0.01, 0.9]], "far_pairs": {"genuine": 10, "impostor": 10}, "measured_on": "x",
    }  # fmt: skip
    odd = [None, [], {}, "x", -1, 1e999, [[]], {"../../../../etc/passwd": "0"}, {"a": 1}, True, "\0", [None]]
    made = {"good": json.dumps(good).encode(), "deep": nested_lists(50_000), "none": b"null", "text": b'"metric"'}
    for field in good:
        made |= {f"{field} {number}": json.dumps(good | {field: value}).encode() for number, value in enumerate(odd)}
    return made
