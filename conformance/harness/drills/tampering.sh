#!/usr/bin/env bash
# A large table of evidence is tampered with by one who owns the database and has no keys:
# a thousand rows, in ten ways, on SQLite and on PostgreSQL. Each must be found, and nothing
# before anybody tampered. It says how many rows a second were held against the log.
#
# DRILL_ROWS: the rows of the table (10000000), of which a thousand are tampered with, or one
# in a hundred where there are fewer than 100,000.
source "$(dirname "${BASH_SOURCE[0]}")/../drill.sh"
DRILL_ROWS=${DRILL_ROWS:-10000000}
drill "a thousand of $DRILL_ROWS rows tampered with (DRILL_ROWS)"
if go test -count=1 -v -timeout 0 -run '^TestTampering$' ./cmd/node/reconciling -args -rows "$DRILL_ROWS"; then
	echo "tampering: passed, every row that was tampered with was found"
else
	echo "tampering: FAILED, the lines above say which row was not found" >&2
	exit 1
fi
