# What the scripts of drills/ have in common; each sources it first. It stands in the
# repository's root afterwards, with HOPNHAT_TEST_POSTGRES set: to the cluster that is
# there, or to one that ends with the script.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

drill_cluster=
drill_end() {
	local status=$?
	[[ -z $drill_cluster ]] || bash conformance/harness/postgres.sh stop "$drill_cluster"
	exit "$status"
}
if [[ -z ${HOPNHAT_TEST_POSTGRES:-} ]]; then
	drill_cluster=drill-$$
	trap drill_end EXIT
	HOPNHAT_TEST_POSTGRES=$(bash conformance/harness/postgres.sh start "$drill_cluster")
	export HOPNHAT_TEST_POSTGRES
fi

# drill TEXT: says what is done, and how its size is set.
drill() { printf '\n== %s\n' "$*"; }

# scenario NAME [FLAG...]: runs the tests of that name in conformance/scenario to their
# end, however long it takes; a line for each step.
scenario() {
	local name=$1
	shift
	go -C conformance/scenario test -count=1 -v -timeout 0 -run "$name" "$@" .
}
