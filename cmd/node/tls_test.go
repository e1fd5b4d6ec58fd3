package node

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/conformance/harness"
)

// TestTransportSettings: what would be open by mistake, or could never work, is
// refused at the start, with what to set.
func TestTransportSettings(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(c *Config)
		why    string // part of the error; empty: accepted
	}{
		{"plain HTTP on loopback", func(*Config) {}, ""},
		{"plain HTTP on ::1", func(c *Config) { c.Listen = "[::1]:8440" }, ""},
		{"plain HTTP to the world", func(c *Config) { c.Listen = "0.0.0.0:8440" }, "trusted_proxies"},
		{"plain HTTP on every address", func(c *Config) { c.Listen = ":8440" }, "trusted_proxies"},
		{"plain HTTP behind a proxy", func(c *Config) { c.Listen, c.TrustedProxies = ":8440", "10.0.0.1" }, ""},
		{"a listen that is no address", func(c *Config) { c.Listen = "8440" }, "host:port"},
		{"TLS", func(c *Config) {
			c.Issuer, c.Listen, c.TLSCertificate, c.TLSKey = "https://id.example", ":443", "c", "k"
		}, ""},
		{"a certificate without a key", func(c *Config) { c.Issuer, c.TLSCertificate = "https://id.example", "c" }, "go together"},
		{"TLS with an http issuer", func(c *Config) { c.TLSCertificate, c.TLSKey = "c", "k" }, "not https"},
		{"an alias", func(c *Config) {
			c.Issuer, c.TLSCertificate, c.TLSKey, c.MTLSListen, c.MTLSIssuerAlias = "https://id.example", "c", "k", ":8443", "https://mtls.id.example:8443"
		}, ""},
		{"an alias without a listener", func(c *Config) { c.MTLSIssuerAlias = "https://mtls.id.example" }, "go together"},
		{"an alias behind a proxy", func(c *Config) {
			c.MTLSListen, c.MTLSIssuerAlias, c.TrustedProxies = "127.0.0.1:8443", "https://mtls.id.example", "127.0.0.1"
		}, ""},
		{"an alias that no certificate reaches", func(c *Config) { c.MTLSListen, c.MTLSIssuerAlias = "127.0.0.1:8443", "https://mtls.id.example" }, "trusted_proxies"},
		{"an alias that is the issuer", func(c *Config) {
			c.Issuer, c.MTLSListen, c.MTLSIssuerAlias, c.TrustedProxies = "https://id.example", "127.0.0.1:8443", "https://id.example", "127.0.0.1"
		}, "mtls_issuer_alias"},
		{"CAs for nobody", func(c *Config) { c.MTLSClientCA = "ca" }, "mtls_listen"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := Defaults()
			row.change(&c)
			err := c.Complete()
			if (err == nil) != (row.why == "") || err != nil && !strings.Contains(err.Error(), row.why) {
				t.Errorf("got %v, want %q", err, row.why)
			}
		})
	}
}

// TestClientCAs: only certificates of CAs are taken, and none is an error.
func TestClientCAs(t *testing.T) {
	ca := harness.NewAuthority(t, "ca")
	leaf := ca.Client("app")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, ok := range map[string]bool{ca.File: true, leaf.CertFile: false, leaf.KeyFile: false, empty: false, empty + "x": false} {
		c := Defaults()
		c.MTLSClientCA = file
		if pool, err := c.clientCAs(); (err == nil) != ok || ok && pool == nil {
			t.Errorf("%s: %v, want success %v", filepath.Base(file), err, ok)
		}
	}
}

// TestPortsFree: each port that a node of these roles opens is looked at, with the others
// open, and let go again; the error names the flag.
func TestPortsFree(t *testing.T) {
	first := harness.Port(t, 3)
	at := func(i int) string { return fmt.Sprint("127.0.0.1:", first+i) }
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	taken := busy.Addr().String()
	for _, row := range []struct {
		name              string
		listen, mtls, log string
		roles, why        string // why is part of the error; empty: free
	}{
		{"all are free", at(0), at(1), at(2), roleNames(), ""},
		{"and are let go again", at(0), at(1), at(2), roleNames(), ""},
		{"no other than the issuer's", at(0), "", "", roleNames(), ""},
		{"the issuer's is taken", taken, at(1), at(2), roleNames(), "--listen"},
		{"the alias's is taken", at(0), taken, at(2), roleNames(), "--mtls-listen"},
		{"the log's is taken", at(0), at(1), taken, roleNames(), "--log-listen"},
		{"one port for two", at(0), "", at(0), roleNames(), "--log-listen"},
		{"a node that writes no log", at(0), at(1), taken, "provider,broker,portal", ""},
		{"a node with nothing at the alias", at(0), taken, at(2), "portal,log", ""},
		{"a role that is none", at(0), "", "", "signer", "roles: "},
	} {
		c := Defaults()
		c.Listen, c.MTLSListen, c.LogListen, c.Roles = row.listen, row.mtls, row.log, row.roles
		err := c.PortsFree()
		if (err == nil) != (row.why == "") || err != nil && !strings.Contains(err.Error(), row.why) {
			t.Errorf("%s: %v, want %q", row.name, err, row.why)
		}
	}
}
