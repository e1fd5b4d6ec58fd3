#!/usr/bin/env bash
# Tries what is under docs/deploy: systemd verifies the unit and rates its exposure,
# and the steps of the Containerfile are done without a container engine: the program
# is built as it says, copied into an empty root, and run there by its user, with the
# root read-only. Wants root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ((EUID != 0)); then
	echo "deploy: wants root, for owners, mounts and chroot" >&2
	exit 1
fi
work=$(mktemp -d)
root=$work/root
mounted=()
server=
cleanup() {
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
	[[ -z $server ]] || wait "$server" 2>/dev/null || true
	for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do umount -l "${mounted[i]}" || true; done
	rm -rf "$work"
}
trap cleanup EXIT
fail() { printf 'deploy: %s\n' "$*" >&2; exit 1; }

echo "deploy: the steps of the Containerfile"
out=$work/out
user= entry=() environment=()
mkdir -p "$out" "$root"
stage=build
COMMIT=$(git rev-parse HEAD)
while read -r instruction rest; do
	case $instruction in
	FROM) [[ $rest == scratch ]] && stage=image || true ;;
	ARG) export "${rest%%=*}" ;;
	RUN) # of the build stage; /src and /out are places of ours
		[[ $stage == build ]] || fail "RUN in an image that has no shell: $rest"
		rest=${rest//\/src/$PWD} rest=${rest//\/out/$out}
		bash -euc "$rest"
		;;
	COPY)
		[[ $stage == image ]] || continue
		own=
		while [[ $rest == --* ]]; do
			[[ $rest != --chown=* ]] || { own=${rest#--chown=}; own=${own%% *}; }
			rest=${rest#* }
		done
		read -ra paths <<<"${rest//\/out/$out}"
		to=$root${paths[-1]}
		if [[ $to == */ ]]; then mkdir -p "$to"; else mkdir -p "$(dirname "$to")"; fi
		for from in "${paths[@]::${#paths[@]}-1}"; do
			if [[ -d $from ]]; then cp -r "$from" "$to"; else cp "$from" "$to"; fi
		done
		if [[ -n $own ]]; then
			chown -R "$own" "$to"
			chmod 0700 "$to"
		fi
		;;
	ENV) environment+=("$rest") ;;
	USER) user=$rest ;;
	ENTRYPOINT | CMD)
		rest=${rest//[\[\]\",]/ }
		read -ra words <<<"$rest"
		[[ $instruction == CMD ]] || entry=("${words[@]}")
		[[ $instruction == ENTRYPOINT ]] || command=("${words[@]}")
		;;
	VOLUME | EXPOSE | \#* | "") ;;
	*) fail "an instruction that is not tried: $instruction" ;;
	esac
done <docs/deploy/Containerfile
"$root${entry[0]}" version | grep -q "$COMMIT" || fail "hopnhat version does not name the commit $COMMIT"
if ldd "$root${entry[0]}" >/dev/null 2>&1; then fail "the program is not static"; fi
[[ -n $user && $user != 0* && $user != root* ]] || fail "the image runs as root"
du -sh "$root" | sed 's/\t.*//; s/^/deploy: the image has /'

if command -v systemd-analyze >/dev/null; then
	echo "deploy: the unit"
	# The program is where this machine has it.
	sed "s#/usr/local/bin/hopnhat#$root${entry[0]}#" docs/deploy/hopnhat.service >"$work/hopnhat.service"
	said=$(systemd-analyze verify --recursive-errors=no "$work/hopnhat.service" 2>&1) || fail "the unit: $said"
	[[ -z $said ]] || fail "the unit: $said"
	# 20 is an exposure of 2.0, of 10; the network is what remains.
	systemd-analyze security --offline=true --threshold=20 "$work/hopnhat.service" | tail -n 1
else
	echo "deploy: systemd is not here, the unit was not verified"
fi

echo "deploy: running it as $user with a read-only root"
mount --bind "$root" "$root"
mounted+=("$root")
mkdir "$work/volume"
cp -a "$root/var/lib/hopnhat/." "$work/volume/" # an empty volume takes owner and mode
chown --reference="$root/var/lib/hopnhat" "$work/volume"
chmod --reference="$root/var/lib/hopnhat" "$work/volume"
port=$((20000 + RANDOM % 20000))
printf 'issuer: http://localhost:%s\nlisten: 127.0.0.1:%s\n' "$port" "$port" >"$root/etc/hopnhat.yaml"
mount --bind "$work/volume" "$root/var/lib/hopnhat"
mounted+=("$root/var/lib/hopnhat")
mount -o remount,bind,ro "$root"
image=(env -i "${environment[@]}" "$(command -v chroot)" --userspec="$user" "$root" "${entry[@]}")
"${image[@]}" init
"${image[@]}" registry generate --persons 50 | tail -n 1
if "${image[@]}" init --state /elsewhere 2>"$work/refusal"; then fail "the root can be written"; fi
grep -q 'read-only file system' "$work/refusal" || fail "the root: $(<"$work/refusal")"
"${image[@]}" "${command[@]}" >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 150); do [[ $(curl -s -o /dev/null -w '%{http_code}' "http://localhost:$port/readyz") == 200 ]] && break; sleep 0.1; done
curl -s --fail "http://localhost:$port/readyz" >/dev/null || { cat "$work/server.log"; fail "it is not ready"; }
[[ $(stat -c %u "/proc/$server") == "${user%%:*}" ]] || fail "it runs as $(stat -c %U "/proc/$server")"
[[ $(stat -c %a:%u "$work/volume/hopnhat.db") == "600:${user%%:*}" ]] || fail "the database is $(stat -c %a:%u "$work/volume/hopnhat.db")"
kill "$server"
wait "$server" || fail "it did not end in good order"
server=
echo "deploy: the image runs, as $user, with a read-only root"
