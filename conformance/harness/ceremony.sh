#!/usr/bin/env bash
# Rehearses docs/keys.md on this machine: a real Vault opened by three of five key
# holders, roles with the policies as they are printed, a server let in by a
# wrapped secret id, a rotation, an outage, a revocation. Everything is made in a
# temporary folder and deleted; each step says what it does, and any that does not
# come out as it should ends the rehearsal.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
pids=()
cleanup() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	for _ in $(seq 50); do
		kill -0 "${pids[@]}" 2>/dev/null || break
		sleep 0.1
	done
	for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
	rm -rf "$work"
}
trap cleanup EXIT

step() { printf '\n== %s\n' "$*"; }
fail() { printf 'ceremony: %s\n' "$*" >&2; exit 1; }

step "building the program and the real Vault (the first time takes minutes)"
bash conformance/vaultd/build.sh >"$work/build.log" || { cat "$work/build.log"; exit 1; }
go build -o "$work/hopnhat" ./cmd/hopnhat
hopnhat() { "$work/hopnhat" "$@"; }

step "starting Vault, sealed"
.build/vaultd --data "$work/vault" >"$work/address" 2>"$work/vault.log" &
pids+=($!)
for _ in $(seq 100); do [[ -s $work/address ]] && break; sleep 0.05; done
vault=$(head -n 1 "$work/address")
token=
# vault METHOD PATH [JSON] [HEADER]: a call with the token at hand.
call() {
	curl --silent --show-error --fail-with-body -X "$1" -H "X-Vault-Token: $token" ${4:+-H "$4"} ${3:+-d "$3"} "$vault/v1/$2"
}
# field NAME: the first text of that name in the JSON that comes in.
field() { sed -E "s/.*\"$1\":\"([^\"]+)\".*/\1/" | head -n 1; }

step "five key holders, any three open it"
call PUT sys/init '{"secret_shares": 5, "secret_threshold": 3}' >"$work/init"
mapfile -t shares < <(sed -E 's/.*"keys_base64":\[([^]]*)\].*/\1/' "$work/init" | tr ',' '\n' | tr -d '"')
token=$(field root_token <"$work/init")
[[ ${#shares[@]} == 5 ]] || fail "there should be five shares"
unseal() { for i in "$@"; do call PUT sys/unseal "{\"key\": \"${shares[i]}\"}" >/dev/null; done; }
unseal 0 2
curl -s "$vault/v1/sys/health" | grep -q '"sealed":true' || fail "two holders opened it"
unseal 4
curl -s --retry 20 --retry-delay 1 --fail "$vault/v1/sys/health" >/dev/null || fail "three holders did not open it"

step "transit, AppRole, and an audit log that names our requests"
call POST sys/mounts/transit '{"type": "transit"}'
call POST sys/auth/approle '{"type": "approle"}'
call PUT sys/config/auditing/request-headers/X-Request-Id '{"hmac": false}'
call PUT sys/audit/file "{\"type\": \"file\", \"options\": {\"file_path\": \"$work/audit.log\"}}"

step "roles, with the policies as they are printed"
policy() { # policy NAME: applies it as it is printed
	local text
	text=$(hopnhat keys vault-policy --role "$1" | sed 's/"/\\"/g' | awk '{printf "%s\\n", $0}')
	call PUT "sys/policies/acl/hopnhat-$1" "{\"policy\": \"$text\"}"
}
role() { # role NAME: makes it, leaves its ids in files
	policy "$1"
	call POST "auth/approle/role/hopnhat-$1" "{\"token_policies\": \"hopnhat-$1\", \"token_no_default_policy\": true, \"token_ttl\": \"20m\", \"token_max_ttl\": \"24h\"}"
	call GET "auth/approle/role/hopnhat-$1/role-id" | field role_id >"$work/$1.role"
}
role serving
role rotation
policy delivery
call POST auth/token/create '{"policies": ["hopnhat-delivery"], "no_default_policy": true, "no_parent": true}' | field client_token >"$work/delivery.token"
call POST auth/approle/role/hopnhat-rotation/secret-id '{}' | field secret_id >"$work/rotation.secret"
rotation=(--keystore vault --vault-address "$vault" --vault-role-id "$(<"$work/rotation.role")" --vault-secret-id-file "$work/rotation.secret")
serving=(--keystore vault --vault-address "$vault" --vault-role-id "$(<"$work/serving.role")" --vault-secret-id-file "$work/serving.wrapped" --vault-secret-id-wrapped true)
# deliver makes a wrapped secret id, as who starts a node does each time.
deliver() {
	curl --silent --show-error --fail -X POST -H "X-Vault-Token: $(<"$work/delivery.token")" -H 'X-Vault-Wrap-TTL: 5m' -d '{}' \
		"$vault/v1/auth/approle/role/hopnhat-serving/secret-id" | field token >"$work/serving.wrapped"
}

step "the keys, made by the rotation role"
hopnhat keys vault-setup "${rotation[@]}"
token_of() { call POST "auth/approle/login" "{\"role_id\": \"$(<"$work/rotation.role")\", \"secret_id\": \"$(<"$work/rotation.secret")\"}" | field client_token; }
status=$(curl -s -o /dev/null -w '%{http_code}' -H "X-Vault-Token: $(token_of)" "$vault/v1/transit/export/signing-key/hopnhat-token-es256")
[[ $status == 403 ]] || fail "the rotation role exported a key: $status"

step "the root token is revoked: nobody needs it from here on"
root=$token
call POST auth/token/revoke-self
token=

step "a server, let in by its wrapped secret id"
port=$((20000 + RANDOM % 20000))
base=http://localhost:$port
state=(--state "$work/state" --jwks-cache 4s --key-overlap 5m)
hopnhat registry generate "${state[@]}" --persons 50 >/dev/null
serve() { # serve: delivers, starts, waits until it is ready; leaves its process in $server
	deliver
	"$work/hopnhat" serve "${state[@]}" "${serving[@]}" --issuer "$base" --listen "127.0.0.1:$port" >>"$work/server.log" 2>&1 &
	server=$!
	pids+=("$server")
	for _ in $(seq 200); do [[ $(curl -s -o /dev/null -w '%{http_code}' "$base/readyz") == 200 ]] && break; sleep 0.1; done
	ready | grep -q '"keys":"ok"' || { cat "$work/server.log"; fail "the server is not ready: $(ready)"; }
}
ready() { curl -s "$base/readyz"; }
serve
for _ in 1 2; do
	kill "$server"
	wait "$server" || fail "the server did not end in good order"
	serve
done
echo "it was started twice again, each time with a wrapping of its own"
if hopnhat keys status "${state[@]}" "${serving[@]}" 2>"$work/refusal"; then fail "a wrapping was opened twice"; fi
grep -q 'somebody else' "$work/refusal" || fail "a spent wrapping does not say so: $(<"$work/refusal")"
echo "a second use of the wrapping was refused, as it should be"

step "a rotation: announced, published, active"
said=$(hopnhat keys rotate "${state[@]}" "${rotation[@]}")
echo "$said"
fresh=${said%% *}
for _ in $(seq 150); do
	hopnhat keys status --json "${state[@]}" "${rotation[@]}" | grep -q "\"kid\":\"$fresh\".*\"state\":\"active\"" && break
	sleep 0.2
done
hopnhat keys status "${state[@]}" "${rotation[@]}" | tee "$work/status"
grep -Eq "active .*$fresh" "$work/status" || fail "the new version does not sign"
curl -s "$base/jwks" | grep -q "$fresh" || fail "the JWK Set lacks the new version"

step "an outage: Vault is sealed by one who may, the server says so and serves its set"
token=$root
if call PUT sys/seal '{}' >"$work/refusal" 2>&1; then fail "a revoked root token sealed Vault"; fi
grep -q 'permission denied' "$work/refusal" || fail "sealing was not refused: $(<"$work/refusal")"
echo "the revoked root token could not seal it, as it should be"
kill -9 "${pids[0]}"
wait "${pids[0]}" 2>/dev/null || true # so that the shell does not report it as a fault
for _ in $(seq 100); do ready | grep -q '"keys":"unavailable: unreachable"' && break; sleep 0.1; done
ready | grep -q '"keys":"unavailable: unreachable"' || fail "the server does not name the cause: $(ready)"
curl -s --fail "$base/jwks" >/dev/null || fail "the JWK Set went away with Vault"
.build/vaultd --data "$work/vault" --listen "${vault#http://}" >/dev/null 2>>"$work/vault.log" &
pids+=($!)
for _ in $(seq 100); do ready | grep -q 'unavailable: sealed' && break; sleep 0.1; done
ready | grep -q '"keys":"unavailable: sealed"' || fail "the server does not see that it is sealed: $(ready)"
token=
unseal 1 3 4
for _ in $(seq 100); do ready | grep -q '"keys":"ok"' && break; sleep 0.1; done
ready | grep -q '"keys":"ok"' || fail "the server did not recover by itself: $(ready)"
echo "recovered without a restart"

step "an emergency: the key is revoked"
hopnhat keys revoke "${state[@]}" "${rotation[@]}" --why "rehearsal" --yes -- "$fresh"
for _ in $(seq 100); do curl -s "$base/jwks" | grep -q "$fresh" || break; sleep 0.1; done
if curl -s "$base/jwks" | grep -q "$fresh"; then fail "the revoked key is in the JWK Set"; fi
for _ in $(seq 100); do
	hopnhat keys status "${state[@]}" "${rotation[@]}" >"$work/status"
	grep -E '^token +ES256' "$work/status" | grep -q active && break
	sleep 0.2
done
grep -E '^token +ES256' "$work/status" | grep -q active || fail "no version took its place"
cat "$work/status"

step "done: every step came out as docs/keys.md says"
