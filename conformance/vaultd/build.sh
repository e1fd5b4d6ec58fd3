#!/usr/bin/env bash
# Builds the real Vault that the tests talk to into .build/vaultd, once for each
# state of this folder: minutes on a new machine, nothing afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
out=$PWD/../../.build
mkdir -p "$out"
stamp=$(cat go.mod go.sum main.go <(go version) | sha256sum | cut -d ' ' -f 1)
if [[ -x $out/vaultd && -f $out/vaultd.stamp && $(<"$out/vaultd.stamp") == "$stamp" ]]; then
	echo "vaultd is built"
	exit 0
fi
# shellcheck source=../harness/progress.sh
. ../harness/progress.sh
echo "fetching the modules of Vault (about 3 GB on a new machine)"
go mod download -x 2>&1 | progress "Vault's modules fetched" "$(grep -vc '/go.mod ' go.sum)"
total=$(go list -deps . | wc -l)
echo "building $total packages; 10 to 20 minutes on two cores, once"
go build -v -trimpath -ldflags '-s -w' -o "$out/vaultd.new" . 2>&1 | progress "Vault's packages built" "$total"
mv "$out/vaultd.new" "$out/vaultd"
echo "$stamp" >"$out/vaultd.stamp"
echo "vaultd is built"
