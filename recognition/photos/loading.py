"""Loads a model pack as the settings say, in a process that runs one."""

from pathlib import Path

from django.conf import settings

from recognition.engine.pipeline import Pipeline


def load_pipeline(pack_dir: Path) -> Pipeline:
    """Raises PackError, DeviceError."""
    return Pipeline.load(
        pack_dir,
        device=settings.DEVICE,
        precision=settings.PRECISION,
        runtime=settings.RUNTIME,
        cache_dir=settings.COMPILED_MODELS_DIR,
    )
