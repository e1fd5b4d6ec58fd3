#!/usr/bin/env bash
# Runs the program of the release before, built from this repository's history, and
# this one at once on one PostgreSQL database that the old one filled. The commit is
# named in conformance/harness/before.go; a shallow clone lacks it:
# git fetch --unshallow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [[ -z ${HOPNHAT_TEST_POSTGRES:-} ]]; then
	cluster=upgrade-$$
	trap 'bash conformance/harness/postgres.sh stop "$cluster"' EXIT
	HOPNHAT_TEST_POSTGRES=$(bash conformance/harness/postgres.sh start "$cluster")
	export HOPNHAT_TEST_POSTGRES
fi
go -C conformance/scenario vet -tags upgrade .
go -C conformance/scenario test -tags upgrade -count=1 -timeout 15m -run '^TestUpgrade$' "$@" .
