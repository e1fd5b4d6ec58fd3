#!/usr/bin/env bash
# Format, vet, staticcheck and known vulnerabilities, with the tools pinned in
# .ci/tools.mod, of the product and of the scenarios, which are a module of their own. Every check runs, whatever the ones before it said.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
failed=0
# shellcheck source=progress.sh
. conformance/harness/progress.sh

tools=$PWD/.ci/tools.mod

echo "lint: the tools of .ci/tools.mod (the first time they are fetched and built, some minutes)"
go build -modfile="$tools" -v tool 2>&1 | progress "lint: packages of the tools" "$(go list -modfile="$tools" -deps tool | wc -l)" || failed=1

echo "lint: gofumpt"
unformatted=$(find . -name '*.go' -not -path './.*' -not -path '*/node_modules/*' -print0 |
	xargs -0 go tool -modfile="$tools" gofumpt -l) || failed=1 # errors go to the terminal: the first run also says what it fetches there
if [[ -n $unformatted ]]; then
	printf 'lint: not formatted (go tool -modfile=.ci/tools.mod gofumpt -w FILE):\n%s\n' "$unformatted" >&2
	failed=1
fi

echo "lint: go vet"
go vet ./... || failed=1
go -C conformance/scenario vet ./... || failed=1

echo "lint: staticcheck"
go tool -modfile="$tools" staticcheck ./... || failed=1
(cd conformance/scenario && go tool -modfile="$tools" staticcheck ./...) || failed=1

# govulncheck compares with a database on the network. Where that cannot be
# reached nothing is known, which is neither a pass nor a finding.
echo "lint: govulncheck"
if report=$(go tool -modfile="$tools" govulncheck ./... 2>&1); then
	echo "$report" | tail -n 3
elif grep -q 'fetching vulnerabilities' <<<"$report"; then
	echo "lint: govulncheck NOT RUN: database unreachable"
else
	echo "$report" >&2
	failed=1
fi

exit $failed
