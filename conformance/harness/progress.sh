# progress WHAT TOTAL: counts what `go build -v` or `go mod download -x` says of its
# work, a line every 25, so that a long wait is seen to go on. What is no progress, an
# error above all, goes through as it is.
progress() {
	awk -v what="$1" -v total="$2" '
		function tell() { if (n != told) printf "%s: %d of %d\n", what, n, total; told = n; fflush() }
		/^# get .*\.zip$/ || /^# get .*\.(mod|info|mod: .*|info: .*)$/ || /^-> / || /^mkdir / || /^cd / { next }
		/^# get .*\.zip: 200/ || /^[A-Za-z0-9._~\/-]+$/ { if (++n % 25 == 0) tell(); next }
		/^go: downloading / { if (++fetched % 25 == 0) { printf "%s: %d modules fetched\n", what, fetched; fflush() } next }
		{ print; fflush() }
		END { tell() }'
}
