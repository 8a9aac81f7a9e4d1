"""Which packs a worker can run, so that it claims photos of no others."""

import time
from dataclasses import dataclass, field
from pathlib import Path

LOOK_AGAIN = 1.0  # seconds between looks at the folder
TRY_AGAIN = 30.0  # seconds after which a pack that could not be loaded is tried again


@dataclass
class UsablePacks:
    """The packs installed in a folder, without those that could not be loaded a short while ago.

    faults: pack → why it could not be loaded. Such a pack is tried again after TRY_AGAIN, or as soon as its manifest changes.
    """

    folder: Path
    faults: dict[str, str] = field(default_factory=dict)
    _refused: dict[str, tuple[float, float]] = field(default_factory=dict)  # pack → when, its manifest's time
    _found: list[str] = field(default_factory=list)
    _looked: float = float("-inf")

    def names(self) -> list[str]:
        """The packs to claim photos for."""
        if time.monotonic() - self._looked > LOOK_AGAIN:
            self._found = sorted(path.parent.name for path in self.folder.glob("*/manifest.json"))
            self._looked = time.monotonic()
        return [pack for pack in self._found if self._may_try(pack)] if self._refused else self._found

    def working(self) -> list[str]:
        """The packs that can be run as far as is known, for others to read."""
        return [pack for pack in self.names() if pack not in self.faults]

    def refuse(self, pack: str, reason: str) -> None:
        """Notes that a pack could not be loaded."""
        self.faults[pack] = reason
        self._refused[pack] = time.monotonic(), self._modified(pack)

    def accept(self, pack: str) -> None:
        """Notes that a pack has been loaded."""
        self.faults.pop(pack, None)
        self._refused.pop(pack, None)

    def _may_try(self, pack: str) -> bool:
        if pack not in self._refused:
            return True
        since, modified = self._refused[pack]
        return time.monotonic() - since > TRY_AGAIN or self._modified(pack) != modified

    def _modified(self, pack: str) -> float:
        try:
            return (self.folder / pack / "manifest.json").stat().st_mtime
        except OSError:
            return 0.0
