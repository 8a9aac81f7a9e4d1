"""Makes ZIPs."""

import io
import zipfile


def zipped(members: dict[str, bytes]) -> io.BytesIO:
    """A ZIP with these members: path → content."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out
