#!/usr/bin/env bash
# Runs every fuzz target of the module for the time given, one after the other.
# What one finds is written to its testdata/fuzz folder: commit it with the fix.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
each=${1:-30s}
failed=0
while IFS=: read -r file target; do
	echo "fuzz: $target in $(dirname "$file") for $each"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$each" "./$(dirname "$file")" || failed=1
done < <(grep -roHE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9_]*' authz cmd conformance federation keys store web 2>/dev/null |
	sed 's/func //' | sort)
exit $failed
