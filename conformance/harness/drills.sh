#!/usr/bin/env bash
# Runs the drills, all or those that are named (`drills.sh kill`), one after the other. A
# drill is a script of drills/: it sources drill.sh, says what it does, shows its progress,
# takes its size from the environment and ends with a verdict. One that fails fails this;
# the others still run.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
drills=conformance/harness/drills
bash conformance/harness/install.sh || exit 1
names=("$@")
if ((${#names[@]} == 0)); then
	for script in "$drills"/*.sh; do names+=("$(basename "$script" .sh)"); done
fi

cluster=
finish() {
	local status=$?
	[[ -z $cluster ]] || bash conformance/harness/postgres.sh stop "$cluster"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [[ -z ${HOPNHAT_TEST_POSTGRES:-} ]]; then
	cluster=drills-$$
	HOPNHAT_TEST_POSTGRES=$(bash conformance/harness/postgres.sh start "$cluster") || exit 1
	export HOPNHAT_TEST_POSTGRES
fi

failed=()
for name in "${names[@]}"; do
	began=$SECONDS
	verdict=passed
	bash "$drills/$name.sh" || { verdict=FAILED; failed+=("$name"); }
	printf '=== drill %s: %s  (%d s)\n' "$name" "$verdict" $((SECONDS - began))
done
((${#failed[@]} == 0)) || { echo "=== drills that failed: ${failed[*]}" >&2; exit 1; }
