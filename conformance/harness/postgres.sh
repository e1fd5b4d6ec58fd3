#!/usr/bin/env bash
# A throw-away PostgreSQL cluster on loopback.
#
#   postgres.sh start NAME   starts one if it is not running, prints its URL
#   postgres.sh stop NAME    stops it and deletes its data
#
# initdb refuses root, and a clone may lie in a folder that only root can read.
# So the data go to a fresh folder under TMPDIR, and for root the server runs as
# Debian's user postgres. .build/postgres-NAME remembers the folder and the URL.
#
# HOPNHAT_TEST_POSTGRES_DURABLE=1 keeps fsync on: for measurements. Tests kill
# programs, never the machine, and need no fsync.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

action=${1:-}
name=${2:-dev}
record=.build/postgres-$name

as_postgres() {
	if ((EUID == 0)); then
		(cd / && runuser -u postgres -- "$@")
	else
		"$@"
	fi
}

newest_bin() {
	local found
	found=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1) || true
	if [[ -z $found ]]; then
		echo "postgres: no PostgreSQL under /usr/lib/postgresql: run conformance/harness/install.sh" >&2
		exit 1
	fi
	echo "$found"
}

stop() {
	[[ -f $record ]] || return 0
	local dir
	dir=$(sed -n 1p "$record")
	if [[ -d $dir/data ]]; then
		as_postgres "$(newest_bin)/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 || true
	fi
	rm -rf -- "$dir"
	rm -f -- "$record"
}

start() {
	local bin dir port url password try options
	bin=$(newest_bin)
	if [[ -f $record ]]; then
		dir=$(sed -n 1p "$record")
		if [[ -d $dir/data ]] && as_postgres "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; then
			sed -n 2p "$record"
			return 0
		fi
		stop
	fi
	mkdir -p .build
	dir=$(mktemp -d "${TMPDIR:-/tmp}/hopnhat-postgres.XXXXXX")
	# Whoever else is on the machine must not become superuser of the cluster.
	password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	(umask 077 && echo "$password" >"$dir/password")
	if ((EUID == 0)); then
		chown -R postgres "$dir"
	fi
	printf '%s\n' "$dir" >"$record"
	if ! as_postgres "$bin/initdb" -D "$dir/data" -U postgres --pwfile="$dir/password" --auth=scram-sha-256 \
		--encoding=UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1; then
		cat "$dir/initdb.log" >&2
		stop
		exit 1
	fi
	options="-c listen_addresses=127.0.0.1 -c unix_socket_directories=$dir -c max_connections=300 -c log_min_messages=warning"
	if [[ -z ${HOPNHAT_TEST_POSTGRES_DURABLE:-} ]]; then
		options+=" -c fsync=off -c full_page_writes=off"
	fi
	for try in 1 2 3 4 5 6 7 8; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		if as_postgres "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 \
			-o "$options -p $port" start >/dev/null 2>&1; then
			url="postgres://postgres:$password@127.0.0.1:$port/postgres?sslmode=disable"
			(umask 077 && printf '%s\n%s\n' "$dir" "$url" >"$record")
			echo "$url"
			return 0
		fi
	done
	echo "postgres: did not start in $try tries; its log ends:" >&2
	tail -n 20 "$dir/server.log" >&2 || true
	stop
	exit 1
}

case $action in
start) start ;;
stop) stop ;;
*)
	echo "usage: $0 start|stop [NAME]" >&2
	exit 2
	;;
esac
