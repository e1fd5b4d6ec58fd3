#!/usr/bin/env bash
# An anchor, the centre and two provinces run in network namespaces of their own, joined by
# links. The link of one province is taken down: people go on signing in there to its apps,
# answers about the other province do not change, and a lock that the centre takes meanwhile
# is taken in the province when the link is back (docs/cutoff.md). It takes half a minute,
# and needs root.
source "$(dirname "${BASH_SOURCE[0]}")/../drill.sh"
drill "a province is cut off by its link"
if ((EUID != 0)); then
	echo "cutoff: FAILED, network namespaces are made by root: run it as root" >&2
	exit 1
fi
export DRILL_NAMESPACES=hopnhat-$$-
hub=${DRILL_NAMESPACES}hub
gone() {
	for name in hub anchor centre danang hue; do ip netns del "$DRILL_NAMESPACES$name" 2>/dev/null || true; done
}
trap 'gone; [[ -z $drill_cluster ]] || bash conformance/harness/postgres.sh stop "$drill_cluster"' EXIT
ip netns add "$hub"
ip -n "$hub" link set lo up
ip -n "$hub" link add hub type bridge
ip -n "$hub" address add 10.34.0.1/24 dev hub
ip -n "$hub" link set hub up
address=11
for name in anchor centre danang hue; do
	host=$DRILL_NAMESPACES$name
	ip netns add "$host"
	ip -n "$hub" link add "$name" type veth peer name eth0 netns "$host"
	ip -n "$hub" link set "$name" master hub up
	ip -n "$host" address add "10.34.0.$address/24" dev eth0
	ip -n "$host" link set lo up
	ip -n "$host" link set eth0 up
	address=$((address + 1))
done
# What is compiled may have to be downloaded, which nobody can from in there.
go build -o /dev/null ./cmd/hopnhat
go -C conformance/scenario test -tags namespaces -c -o /dev/null .
if ip netns exec "$hub" go -C conformance/scenario test -count=1 -v -timeout 10m -tags namespaces -run '^TestCutOffLinks$' .; then
	echo "cutoff: passed, the province that was cut off signed people in, and nothing changed for the other"
else
	echo "cutoff: FAILED, the lines above say what did not go on or did not come back" >&2
	exit 1
fi
