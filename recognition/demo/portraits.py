"""Where the demo's portraits are: two packages that the tests use anyway have them among their sample data.

Both photos are NASA's and the US Navy's, in the public domain. They are read from the packages, never copied into ours.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from faceplatform.errors import Unavailable

REQUIREMENTS = "matplotlib==3.10.9 scikit-image==0.24.0"


@dataclass(frozen=True, slots=True)
class Portrait:
    """A person and the photo, below the folder of an installed package."""

    name: str
    department: str
    position: str
    package: str
    place: str

    @property
    def path(self) -> Path | None:
        """None if the package is not installed, or came without its sample data."""
        found = find_spec(self.package)
        folders = (found.submodule_search_locations if found else None) or []
        return next((path for folder in folders if (path := Path(folder) / self.place).is_file()), None)


PORTRAITS = (
    Portrait("Grace Hopper", "US Navy", "Rear admiral", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    Portrait("Eileen Collins", "NASA", "Astronaut", "skimage", "data/astronaut.png"),
)


def require_portraits() -> dict[Portrait, Path]:
    """All portraits with their files. Raises Unavailable (no_portraits)."""
    found = {portrait: path for portrait in PORTRAITS if (path := portrait.path)}
    if len(found) < len(PORTRAITS):
        raise Unavailable(
            "The demo's portraits are part of two packages that are not installed: "
            f".venv/bin/python -m pip install {REQUIREMENTS}",
            code="no_portraits",
        )
    return found
