from pathlib import Path

import pytest

from recognition.engine.mxnet_runtime import save_net
from recognition.lab.training.symbols import network, seeded_params


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Path:
    """A folder with a MobileFaceNet y1 as InsightFace publishes it: model-symbol.json, model-0000.params."""
    folder = tmp_path_factory.mktemp("model")
    symbol = network("mbf", 128)
    save_net(symbol, seeded_params(symbol), folder, "model")
    return folder
