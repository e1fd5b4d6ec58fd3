#!/usr/bin/env bash
# Runs every fuzz target of the module for the time given, one after the other.
# Two seconds are enough to make an input smaller: a minute of it, the default, can
# be all of a target's time. What one finds is written to its testdata/fuzz folder: commit it with the fix.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
each=${1:-30s}
failed=0
while IFS=: read -r file target; do
	echo "fuzz: $target in $(dirname "$file") for $each"
	go test -run '^$' -fuzz "^$target\$" -fuzzminimizetime 2s -fuzztime "$each" "./$(dirname "$file")" || failed=1
done < <(grep -roHE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9_]*' authz cmd conformance federation keys store web 2>/dev/null |
	sed 's/func //' | sort)
exit $failed
