"""Writes what the platform consists of as CycloneDX 1.6 (JSON): the packages of requirements.lock with hashes and licences.

python tools/sbom.py OUT.json
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from licences import Package, packages
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[1]
[VERSION] = re.findall(r'__version__ = "(.+)"', (ROOT / "faceplatform" / "__init__.py").read_text())


def bill(of: Iterable[Package]) -> str:
    """The document's text."""
    licences = LicenseFactory()
    made = Bom()
    platform = Component(name="faceplatform", version=VERSION, type=ComponentType.APPLICATION)
    platform.licenses.add(licences.make_from_string("Apache-2.0"))
    made.metadata.component = platform
    parts = [_component(package, licences) for package in of]
    made.components.update(parts)
    made.register_dependency(platform, parts)
    return JsonV1Dot6(made).output_as_string(indent=1)


def _component(package: Package, licences: LicenseFactory) -> Component:
    address = PackageURL("pypi", None, package.name, package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(address),
        purl=address,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=content) for content in package.hashes],
        licenses=[licences.make_from_string(package.licence)],
    )


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(bill(packages()))
