#!/usr/bin/env bash
# Puts a copy that backup.sh made into an empty database and an empty state folder:
#
#   restore.sh COPY DATABASE-URL STATE-FOLDER KEYS-FOLDER
#
# The database was made by `hopnhat migrate --print-roles`, and the URL is that of
# hopnhat_migrate; run `hopnhat migrate` afterwards, which also narrows the rights on
# evidence, and start a node. KEYS-FOLDER is - where the keys are in Vault.
set -euo pipefail
(($# == 4)) || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
from=$1 database=$2 state=$3 keys=$4
umask 077
(cd "$from" && sha256sum --quiet --check SHA256SUMS) || { echo "restore: the copy was changed or is not whole" >&2; exit 1; }
for folder in "$state" "$keys"; do
	[[ $folder == - || ! -e $folder || -z $(ls -A "$folder") ]] || { echo "restore: $folder is not empty" >&2; exit 1; }
done

pg_restore --no-owner --no-privileges --exit-on-error --single-transaction --dbname="$database" "$from/database.dump"
mkdir -p "$state"
cp -a "$from/tlog" "$from/log.vkey" "$state/"
[[ ! -e $from/node ]] || cp -a "$from/node" "$state/"
[[ $keys == - ]] || { mkdir -p "$keys" && cp -a "$from/keys/." "$keys/"; }
echo "restore: done; next: hopnhat migrate, start a node, and audit verify"
