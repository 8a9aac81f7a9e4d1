#!/bin/sh
# pip install into .venv; with uv if it is installed, which takes seconds instead of a minute.
set -eu
if command -v uv >/dev/null 2>&1; then
    exec uv pip install --python .venv/bin/python "$@"
fi
exec .venv/bin/python -m pip install --disable-pip-version-check "$@"
