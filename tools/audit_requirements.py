"""Asks for known vulnerabilities of the pinned requirements. Fails where there are some; without an answer it says so.

The advisories come from the package index. A mirror may not have them, and a machine may be offline: neither is a failure.
"""

import json
import subprocess
import sys

FILES = ("requirements.txt", "requirements-openvino.txt")


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip"]
    command += [part for name in FILES for part in ("--requirement", name)]
    done = subprocess.run(
        [*command, "--format", "json", "--progress-spinner", "off", "--timeout", "10"], capture_output=True, text=True
    )
    try:
        audited = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print("Vulnerabilities: not checked, the advisories cannot be reached.")
        return 0
    unknown = [one["name"] for one in audited if "skip_reason" in one]
    bad = [one for one in audited if one.get("vulns")]
    for one in bad:
        for advisory in one["vulns"]:
            fixed = ", ".join(advisory["fix_versions"]) or "none yet"
            print(f"{one['name']} {one['version']}: {advisory['id']}, fixed in {fixed}")
    if unknown:
        print(f"Vulnerabilities: no advisories for {len(unknown)} of {len(audited)} requirements to be had here.")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
