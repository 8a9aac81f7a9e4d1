"""What several parts of recognition need in their tests."""

import minifas_files
import pytest

from recognition.engine.liveness import PACK
from recognition.packs import install
from recognition.packs.install import install_pack, liveness_catalogue


@pytest.fixture(scope="session")
def liveness_packs(tmp_path_factory):
    """Class → an installed pack whose nets take every face for it; see minifas_files.py."""
    made, published = {}, liveness_catalogue()[PACK]
    with pytest.MonkeyPatch.context() as patch:
        for towards in (minifas_files.FAKE, minifas_files.REAL):
            folder = tmp_path_factory.mktemp("files")
            minifas_files.write_files(folder, towards=towards)
            entry = minifas_files.entry_of(folder, published)
            patch.setattr(install, "liveness_catalogue", lambda entry=entry: {PACK: entry})
            made[towards] = install_pack(PACK, tmp_path_factory.mktemp("models"), source=folder)
    return made


@pytest.fixture
def takes_for(liveness_packs, pipeline, monkeypatch):
    """Lets the loaded pipeline take every face for a class of those nets."""
    from recognition.engine.liveness_nets import OptionalLiveness

    def take(towards: int) -> None:
        monkeypatch.setattr(pipeline, "liveness", OptionalLiveness(liveness_packs[towards]))

    return take
