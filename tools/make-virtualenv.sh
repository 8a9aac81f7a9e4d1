#!/bin/sh
# Makes .venv with the given Python. Missing system packages are installed if we are root on Debian, and named otherwise.
set -eu
python=${1:-}

need() { # package, what is missing without it
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing the system package $1 …"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null && return
    fi
    echo "$2 is missing. On Debian 12: apt install $1" >&2
    exit 1
}

if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'; then
    echo "Faceplatform needs Python 3.11 or 3.12. On Debian 12: apt install python3 python3-venv" >&2
    exit 1
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv "Python's venv module"
# MXNet's wheel needs two libraries that come with the system's compiler.
for library in libgomp.so.1:libgomp1 libquadmath.so.0:libquadmath0; do
    "$python" -c "import ctypes; ctypes.CDLL('${library%:*}')" 2>/dev/null || need "${library#*:}" "${library%:*}, for MXNet,"
done
echo "Making the virtual environment …"
rm -rf .venv.new
"$python" -m venv .venv.new
rm -rf .venv
mv .venv.new .venv
# After the move, the scripts in .venv/bin still name .venv.new. So everything is called as .venv/bin/python -m instead.
