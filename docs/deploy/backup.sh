#!/usr/bin/env bash
# Copies what a site is restored from, while its nodes run:
#
#   backup.sh DATABASE-URL STATE-FOLDER KEYS-FOLDER DESTINATION
#
# The database comes first and the release log after it, so that the log of the copy
# has everything that the database of the copy says is in it. Of the log the signed
# checkpoint comes first, so that the tiles cover it. KEYS-FOLDER is - where the keys
# are in Vault, which is backed up by its own means. The national registers have a
# backup of their own. Run it as the owner of the state, with a role that may read
# every table (hopnhat_migrate). Whoever has the copy can stand in for the site:
# encrypt it before it leaves the machine.
set -euo pipefail
(($# == 4)) || { sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }
database=$1 state=$2 keys=$3 to=$4
umask 077
mkdir -p "$to"
[[ -z $(ls -A "$to") ]] || { echo "backup: $to is not empty" >&2; exit 1; }

# copy FROM TO NAME...: what is not there yet. A file is written under a name for the
# time being and then renamed, so one that was listed may be gone when it is read: that is
# no fault (tar ends with 1), and the second time round its new name is found.
copy() {
	local from=$1 into=$2 statuses
	shift 2
	for _ in first second; do
		statuses=(0 0)
		tar -C "$from" --warning=no-file-removed --warning=no-file-changed -cf - -- "$@" | tar -C "$into" --skip-old-files -xpf - ||
			statuses=("${PIPESTATUS[@]}")
		((statuses[0] <= 1 && statuses[1] == 0)) || { echo "backup: $from was not copied" >&2; exit 1; }
	done
}

pg_dump --format=custom --no-owner --no-privileges --file="$to/database.dump" "$database"
if [[ $keys != - ]]; then
	mkdir "$to/keys"
	copy "$keys" "$to/keys" .
fi
cp -a "$state/log.vkey" "$to/log.vkey"
[[ ! -e $state/node ]] || cp -a "$state/node" "$to/node" # by which it is known as the site's
mkdir "$to/tlog"
for shard in "$state"/tlog/*/ "$state"/tlog/consent/*/; do # those of the consent log are a folder below
	name=${shard#"$state"/tlog/}
	[[ -d $shard && $name != consent/ ]] || continue
	mkdir -p "$to/tlog/$name"
	for first in checkpoint .state; do
		[[ ! -e $shard/$first ]] || copy "$shard" "$to/tlog/$name" "$first"
	done
	# What was copied already stays as it is; tiles never change.
	copy "$shard" "$to/tlog/$name" .
done
(cd "$to" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
echo "backup: $(du -sh "$to" | cut -f 1) in $to"
