#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the virtual environment $1 with the first Python >= 3.11 that can. PYTHON=... overrides the search.
set -eu
venv=$1

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
complete() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

if [ -x "$venv/bin/python" ] && usable "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  exit 0
fi

old=""
for python in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3}; do
  usable "$python" || continue
  old=$python
  complete "$python" || continue
  echo "setup: making $venv with $("$python" --version)"
  rm -rf "$venv"
  "$python" -m venv "$venv"
  exit 0
done

if [ -n "$old" ]; then
  echo "setup: $old has no venv module; on Debian or Ubuntu: apt-get install python3-venv" >&2
else
  echo "setup: no Python 3.11 or later found; install one, or name it: make setup PYTHON=/path/to/python3" >&2
fi
exit 69 # EX_UNAVAILABLE
