#!/usr/bin/env bash
# The server is killed (kill -9) under load again and again, on SQLite and on PostgreSQL.
# After each restart every release that an app had received is looked for in the citizen's
# portal, and its proof is verified: none may be lost.
#
# DRILL_KILLS: how often, on each of the two (1000). A kill took 3 s on two busy cores: two hours in all.
source "$(dirname "${BASH_SOURCE[0]}")/../drill.sh"
export DRILL_KILLS=${DRILL_KILLS:-1000}
drill "kill -9 under load, $DRILL_KILLS times on SQLite and on PostgreSQL (DRILL_KILLS)"
if scenario '^TestKilledAtAnyMoment$'; then
	echo "kill: passed, no release was lost"
else
	echo "kill: FAILED, the lines above say which release was lost or what went wrong" >&2
	exit 1
fi
