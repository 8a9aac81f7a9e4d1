"""Loads a model pack as the settings say, in a process that runs one."""

from pathlib import Path
from typing import Any

from django.conf import settings

from recognition.engine.liveness import PACK as LIVENESS_PACK
from recognition.engine.liveness_nets import OptionalLiveness
from recognition.engine.pipeline import Pipeline


def load_pipeline(pack_dir: Path) -> Pipeline:
    """Raises PackError, DeviceError. The pack that tells pictures of faces is looked for beside it, once it is wanted."""
    pipeline = Pipeline.load(pack_dir, **engine_options())
    pipeline.liveness = OptionalLiveness(pack_dir.parent / LIVENESS_PACK, **engine_options())
    return pipeline


def engine_options() -> dict[str, Any]:
    """What nets run on, as the settings say; see PackNets."""
    return {
        "device": settings.DEVICE,
        "precision": settings.PRECISION,
        "runtime": settings.RUNTIME,
        "cache_dir": settings.COMPILED_MODELS_DIR,
    }
