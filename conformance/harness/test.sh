#!/usr/bin/env bash
# Everything a change must pass, on a machine that has nothing but Go:
#
#   1. install what is missing from Debian; start building Vault, which takes
#      longest, in the background; start a throw-away PostgreSQL
#   2. lint
#   3. the tests of the packages that need no Vault, and scenarios at two nodes
#   4. the release before beside this program, on one database
#   5. when Vault is built, the tests that need it; the suites of modules run
#      beside them
#   6. the rehearsal of docs/keys.md
#   7. the packages with concurrency once more, under the race detector
#
# Every stage runs even if one before it failed; the exit status says whether
# all passed. Logs stay in .build/.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
here=conformance/harness
began=$SECONDS
failed=()
waited=0
mkdir -p .build

say() { printf '\n=== %s  (%d s)\n' "$*" $((SECONDS - began)); }

cluster=test-$$
vault_job=
suites_job=
finish() {
	local status=$?
	trap - EXIT INT TERM
	if [[ -n $vault_job ]] && kill -0 "$vault_job" 2>/dev/null; then
		kill -- "-$vault_job" 2>/dev/null # the whole group: the build has children
	fi
	if [[ -n $suites_job ]] && kill -0 "$suites_job" 2>/dev/null; then
		kill -- "-$suites_job" 2>/dev/null
	fi
	bash "$here/postgres.sh" stop "$cluster"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

stage() { # stage NAME COMMAND...
	local name=$1
	shift
	say "$name"
	if "$@"; then
		return 0
	fi
	echo "=== FAILED: $name" >&2
	failed+=("$name")
	return 1
}

say "install"
bash "$here/install.sh" || exit 1

# A package needs Vault when it or one of its tests imports vaulttest. This asks
# the text, since on a new machine `go list` first has to fetch the modules.
vaulttest=hopnhat/conformance/harness/vaulttest
if grep -rqF --include='*.go' "\"$vaulttest\"" authz cmd federation keys store web conformance 2>/dev/null; then
	say "Vault: building in the background, log in .build/vaultd.log"
	set -m # a process group of its own, so that it can be ended whole
	nice -n 5 bash conformance/vaultd/build.sh >.build/vaultd.log 2>&1 &
	vault_job=$!
	set +m
else
	say "Vault: not built, no package needs it"
fi

say "PostgreSQL"
HOPNHAT_TEST_POSTGRES=$(bash "$here/postgres.sh" start "$cluster") || exit 1
export HOPNHAT_TEST_POSTGRES
echo "a cluster of its own is running"

if [[ -f conformance/clients/node/package-lock.json ]]; then
	stage "third-party clients (npm)" npm ci --prefix conformance/clients/node \
		--ignore-scripts --no-audit --no-fund --loglevel=error || exit 1
fi

stage "third-party clients (pip)" bash "$here/python.sh" || exit 1

stage "lint" bash "$here/lint.sh"

packages=$(go list ./...) || exit 1
with_vault=$(go list -f '{{.ImportPath}} {{.Imports}} {{.TestImports}} {{.XTestImports}}' ./... |
	grep -F "$vaulttest" | cut -d ' ' -f 1 | sort) || true
without_vault=$(comm -23 <(sort <<<"$packages") <(sort <<<"$with_vault"))

# shellcheck disable=SC2086
stage "tests that need no Vault" go test -p 2 -count=1 -timeout 15m $without_vault

# Scenarios that otherwise run on SQLite alone, at two nodes behind a balancer. Left
# out are those that read proofs or exports, which are of one site's log; how a
# process ends; and the suites, which are below.
stage "scenarios at two nodes" env HOPNHAT_TEST_NODES=2 go -C conformance/scenario test -count=1 -timeout 15m . \
	-run '^Test(Apache|CheckSessionFrame|ClaimsSignedAndEncrypted|FAPIPairs|GoOIDC|IntegrateRefusals|Logout|LogoutTabs|OnePersonAtTwoSectors|OpenIDClient|OpenIDClientBeyond|Registration|SampleApp|StepUp|UserCodesAreNotGuessed|Zitadel)$'

stage "upgrade: the release before and this program on one database" bash "$here/upgrade.sh"

stage "the unit and the image of docs/deploy" bash "$here/deploy.sh"

# The suites of modules wait more than they work, and need no Vault: they run beside
# the other scenarios. They are at two nodes, the longest of them on the embedded
# database too.
the_suites='^TestConformance(CIBA|EKYC|Elsewhere|FAPI|Static)?$'
set -m
{
	HOPNHAT_TEST_NODES=2 go -C conformance/scenario test -count=1 -timeout 30m -run "$the_suites" .
	at_two=$?
	go -C conformance/scenario test -count=1 -timeout 30m -run '^TestConformance$' . && exit "$at_two"
} >.build/suites.log 2>&1 &
suites_job=$!
set +m

# The scenarios are a module of their own, so they are a test program beside the others.
others() {
	go -C conformance/scenario test -count=1 -timeout 30m -skip "$the_suites" ./... &
	local scenarios=$!
	# shellcheck disable=SC2086
	go test -count=1 -timeout 30m $with_vault
	local status=$?
	wait "$scenarios" && return "$status"
}

if [[ -n $vault_job ]]; then
	say "Vault: waiting for the build"
	while kill -0 "$vault_job" 2>/dev/null; do
		sleep 5
		if ((++waited % 12 == 0)); then
			echo "still building ($((SECONDS - began)) s): $(tail -n 1 .build/vaultd.log | cut -c 1-120)"
		fi
	done
	if wait "$vault_job"; then
		stage "tests that need Vault, and the other scenarios" others
		stage "the ceremony of the keys" bash "$here/ceremony.sh"
	else
		echo "=== FAILED: building Vault; the end of .build/vaultd.log:" >&2
		tail -n 30 .build/vaultd.log >&2
		failed+=("building Vault")
	fi
	vault_job=
fi

suites() { # waits for them, and says what they said
	wait "$suites_job"
	local status=$?
	suites_job=
	cat .build/suites.log
	return "$status"
}
stage "the suites of modules, begun above" suites

racing=()
while read -r package; do
	compgen -G "$package/*.go" >/dev/null && racing+=("./$package")
done <"$here/race.txt"
stage "race detector" go test -race -short -p 2 -count=1 -timeout 10m "${racing[@]}"

if ((${#failed[@]} > 0)); then
	say "FAILED: $(printf '%s; ' "${failed[@]}")"
	exit 1
fi
say "all passed"
