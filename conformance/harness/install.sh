#!/usr/bin/env bash
# Installs from Debian what the tests need and the machine does not have. What
# is there already is left alone, whatever its origin.
set -euo pipefail

packages=()
need() { # need PACKAGE COMMAND...: PACKAGE is wanted when no COMMAND is found
	local package=$1 command
	shift
	for command in "$@"; do
		if command -v "$command" >/dev/null || compgen -G "$command" >/dev/null; then
			return 0
		fi
	done
	packages+=("$package")
}

need postgresql '/usr/lib/postgresql/*/bin/initdb'
need pgbouncer pgbouncer /usr/sbin/pgbouncer
need chromium chromium chromium-browser google-chrome
need nodejs node
need npm npm
need gcc gcc cc             # the race detector links with it
need libc6-dev /usr/include/stdlib.h
need iproute2 ip /usr/sbin/ip # a drill takes links down
need curl curl              # the ceremony of the keys speaks to Vault with it
need php-cli php            # runs an example of docs/integrate.md
need python3 python3        # runs two frameworks of docs/integrate.md
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
need maven mvn              # runs two more: Nimbus and Spring Security
need default-jdk-headless javac
# Apache and its OpenID Connect module as programs; the package apache2 would
# also start a server.
need apache2-bin /usr/sbin/apache2
need libapache2-mod-auth-openidc /usr/lib/apache2/modules/mod_auth_openidc.so

if ((${#packages[@]} == 0)); then
	echo "install: nothing is missing"
	exit 0
fi
if ((EUID != 0)); then
	echo "install: missing: ${packages[*]}" >&2
	echo "install: run once as root: apt-get update && apt-get install ${packages[*]}" >&2
	exit 1
fi
echo "install: ${packages[*]} (from Debian)"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends "${packages[@]}"
