package scenario_test

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/pgtest"
)

// demoOrigin is the name of the demonstration's release log.
const demoOrigin = "demo.hopnhat.invalid/release/dc1"

// behindBalancer prepares two nodes of one site, of which the first writes the release
// log, and what stands in front of them at a port. It returns the port of the first node,
// to which the demonstration's apps are the next two.
func (n *nation) behindBalancer(t *testing.T, port int, database string) (first int) {
	t.Helper()
	first = harness.Port(t, 8)
	inside := []string{fmt.Sprintf("127.0.0.1:%d", first), fmt.Sprintf("127.0.0.1:%d", first+3)}
	alias := []string{fmt.Sprintf("127.0.0.1:%d", first+4), fmt.Sprintf("127.0.0.1:%d", first+5)}
	front := harness.Balancer{Port: port, To: []string{"http://" + inside[0], "http://" + inside[1]}}
	var common []string
	if n.secure != nil {
		front.Authority = n.secure.Authority
		mutual := front
		mutual.Port, mutual.To, mutual.ClientAuth = port+3, []string{"http://" + alias[0], "http://" + alias[1]}, tls.RequestClientCert
		harness.Balance(t, mutual)
		common = []string{"--mtls-issuer-alias", n.secure.Alias, "--mtls-client-ca", n.secure.Authority.File}
	}
	n.base = harness.Balance(t, front)
	common = append(common, "--issuer", n.base, "--trusted-proxies", "127.0.0.1", "--keys", filepath.Join(n.state, "keys"))
	n.tool = append(n.tool, "--issuer", n.base, "--keys", filepath.Join(n.state, "keys"))
	n.argument = append([]string{"--listen", inside[0], "--log-listen", fmt.Sprintf("127.0.0.1:%d", first+6)}, common...)
	n.serve = append([]string{"serve", "--listen", inside[1], "--log-listen", fmt.Sprintf("127.0.0.1:%d", first+7), "--log-origin", demoOrigin, "--address-burst", "100000", "--log-level", "debug"}, n.tool...)
	n.serve = append(n.serve, common...)
	if n.secure != nil {
		n.argument = append(n.argument, "--mtls-listen", alias[0])
		n.serve = append(n.serve, "--mtls-listen", alias[1])
	}
	// Last, so they count: a folder of its own, and another way to the database.
	n.serve = append(n.serve, "--state", n.state+"-2", "--database", pgtest.Pooled(t, database))
	n.second = &harness.Process{Base: "http://" + inside[1]}
	return first
}
