#!/usr/bin/env bash
# A release log is bent, lost and restored from an older copy, on SQLite and on PostgreSQL,
# and an operator mends it by docs/ledger.md, with the commands that stand there. What was
# bent must be found, must stop what waits for the log and nothing else, and the log must go
# on afterwards.
#
# DRILL_LOG_ROUNDS: how often (10). A round took four minutes on two busy cores.
source "$(dirname "${BASH_SOURCE[0]}")/../drill.sh"
rounds=${DRILL_LOG_ROUNDS:-10}
drill "a release log is bent, lost and restored, $rounds times (DRILL_LOG_ROUNDS)"
bent='TestACopy|TestCopies|TestWhatWasErased|TestAFolder|TestAForeign|TestALarge|TestALeafThat|TestAnchor|TestADatabase|TestADamaged|TestATreeThat|TestMissingRows'
# A name that is no test's any more tests nothing, and go test says so with code 0.
there=$(go test -list "$bent" ./store/tlog)
for name in ${bent//|/ }; do
	if ! grep -q "^$name" <<<"$there"; then
		echo "log: FAILED, no test of store/tlog begins with $name: mend this drill" >&2
		exit 1
	fi
done
if go test -count="$rounds" -timeout 0 ./cmd/command/ledger &&
	go test -count="$rounds" -timeout 0 -run "$bent" ./store/tlog &&
	go test -count="$rounds" -timeout 0 ./store/tlog/inspect ./store/tlog/copies; then
	echo "log: passed, what was bent was found and made whole"
else
	echo "log: FAILED, the lines above say what was not found or not mended" >&2
	exit 1
fi
