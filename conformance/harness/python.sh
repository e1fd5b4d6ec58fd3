#!/usr/bin/env bash
# Makes .build/python, where the Python clients of the tests run: what
# conformance/clients/frameworks/python/requirements.txt names and nothing else,
# with the hashes that it has. Does nothing when that is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
wanted=conformance/clients/frameworks/python/requirements.txt
place=.build/python

if cmp -s "$wanted" "$place/installed.txt"; then
	exit 0
fi
rm -rf "$place"
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$wanted"
cp "$wanted" "$place/installed.txt"
