#!/bin/sh
# Builds the wheel of this checkout, and installs it with the locked packages into a new virtual
# environment. The Dockerfile runs it, and so does an installation without containers:
#
#   docs/deploy/install.sh /opt/hubbub/0.1.0
#
# It needs Python 3.11 or newer with venv (PYTHON names another one), and a package index, as pip is
# configured. EXTRAS names extras of the wheel; the default is the faster driver for MySQL.
set -eu
target=${1:?the folder of the new environment, such as /opt/hubbub/0.1.0}
python=${PYTHON:-python3}
extras=${EXTRAS-fast}
cd "$(dirname "$0")/../.."
test ! -e "$target" || { echo "$target is there already" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for each in $extras; do
	set -- "$@" --extra "$each"
done
shift
"$python" docs/deploy/locked.py hatchling >"$work/build.txt"
"$python" docs/deploy/locked.py "$@" >"$work/run.txt"

echo "Building the wheel" >&2
"$python" -m venv "$work/build"
pip="$work/build/bin/python -m pip"
$pip install -qq --disable-pip-version-check --require-hashes --requirement "$work/build.txt"
"$work/build/bin/python" -m hatchling build --target wheel --directory "$work/wheel" >"$work/log" 2>&1 ||
	{ cat "$work/log" >&2; exit 1; }

echo "Installing it with the packages of requirements.lock" >&2
# Without pip: nothing can be installed into it later by mistake.
"$python" -m venv --without-pip "$target"
pip="$pip --python $target/bin/python"
$pip install -qq --disable-pip-version-check --require-hashes --requirement "$work/run.txt"
$pip install -qq --disable-pip-version-check --no-deps --no-index "$work"/wheel/hubbub-*.whl
"$target/bin/hubbub" --version
# A Python in the home of root would not start for the user of the service.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null &&
	! setpriv --reuid 65534 --regid 65534 --clear-groups env "$(readlink -f "$target/bin/python")" -c "" 2>/dev/null; then
	echo "Other users cannot run the Python of $target. Set PYTHON to another one, such as /usr/bin/python3." >&2
fi
