package main

import (
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
		change func(c *config)
		why    string // part of the error; empty: accepted
	}{
		{"plain HTTP on loopback", func(*config) {}, ""},
		{"plain HTTP on ::1", func(c *config) { c.Listen = "[::1]:8440" }, ""},
		{"plain HTTP to the world", func(c *config) { c.Listen = "0.0.0.0:8440" }, "trusted_proxies"},
		{"plain HTTP on every address", func(c *config) { c.Listen = ":8440" }, "trusted_proxies"},
		{"plain HTTP behind a proxy", func(c *config) { c.Listen, c.TrustedProxies = ":8440", "10.0.0.1" }, ""},
		{"a listen that is no address", func(c *config) { c.Listen = "8440" }, "host:port"},
		{"TLS", func(c *config) {
			c.Issuer, c.Listen, c.TLSCertificate, c.TLSKey = "https://id.example", ":443", "c", "k"
		}, ""},
		{"a certificate without a key", func(c *config) { c.Issuer, c.TLSCertificate = "https://id.example", "c" }, "go together"},
		{"TLS with an http issuer", func(c *config) { c.TLSCertificate, c.TLSKey = "c", "k" }, "not https"},
		{"an alias", func(c *config) {
			c.Issuer, c.TLSCertificate, c.TLSKey, c.MTLSListen, c.MTLSAlias = "https://id.example", "c", "k", ":8443", "https://mtls.id.example:8443"
		}, ""},
		{"an alias without a listener", func(c *config) { c.MTLSAlias = "https://mtls.id.example" }, "go together"},
		{"an alias behind a proxy", func(c *config) {
			c.MTLSListen, c.MTLSAlias, c.TrustedProxies = "127.0.0.1:8443", "https://mtls.id.example", "127.0.0.1"
		}, ""},
		{"an alias that no certificate reaches", func(c *config) { c.MTLSListen, c.MTLSAlias = "127.0.0.1:8443", "https://mtls.id.example" }, "trusted_proxies"},
		{"an alias that is the issuer", func(c *config) {
			c.Issuer, c.MTLSListen, c.MTLSAlias, c.TrustedProxies = "https://id.example", "127.0.0.1:8443", "https://id.example", "127.0.0.1"
		}, "mtls_issuer_alias"},
		{"CAs for nobody", func(c *config) { c.MTLSClientCA = "ca" }, "mtls_listen"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := defaults()
			row.change(c)
			err := c.finish()
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
		c := defaults()
		c.MTLSClientCA = file
		if pool, err := c.clientCAs(); (err == nil) != ok || ok && pool == nil {
			t.Errorf("%s: %v, want success %v", filepath.Base(file), err, ok)
		}
	}
}
