#!/usr/bin/env bash
# Copies what a house cannot be made again from, while its nodes run:
#
#   backup.sh DATABASE-URL STATE-FOLDER KEYS-FOLDER DESTINATION
#
# The database comes first and the release log after it, so that the log of the copy
# has everything that the database of the copy says is in it. Of the log the signed
# checkpoint comes first, so that the tiles cover it. KEYS-FOLDER is - where the keys
# are in Vault, which is backed up by its own means. The national registers have a
# backup of their own. Run it as the owner of the state, with a role that may read
# every table (hopnhat_migrate). What is written lets whoever has it be the house:
# encrypt it before it leaves the machine.
set -euo pipefail
(($# == 4)) || { sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }
database=$1 state=$2 keys=$3 to=$4
umask 077
mkdir -p "$to"
[[ -z $(ls -A "$to") ]] || { echo "backup: $to is not empty" >&2; exit 1; }

pg_dump --format=custom --no-owner --no-privileges --file="$to/database.dump" "$database"
[[ $keys == - ]] || cp -a "$keys" "$to/keys"
cp -a "$state/log.vkey" "$to/log.vkey"
[[ ! -e $state/node ]] || cp -a "$state/node" "$to/node" # by which it is known as the site's
mkdir "$to/tlog"
for shard in "$state"/tlog/*/; do
	name=$(basename "$shard")
	mkdir "$to/tlog/$name"
	for first in checkpoint .state; do
		[[ ! -e $shard/$first ]] || cp -a "$shard/$first" "$to/tlog/$name/"
	done
	# What was copied already stays as it is; tiles never change.
	cp -a -n "$shard/." "$to/tlog/$name/"
done
(cd "$to" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
echo "backup: $(du -sh "$to" | cut -f 1) in $to"
