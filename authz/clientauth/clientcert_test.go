package clientauth_test

import (
	"crypto/x509"
	"encoding/base64"
	"testing"

	"hopnhat/authz/clientauth"
)

// TestClientCert: RFC 9440 §2.2 and §2.3, in the byte sequences of RFC 9651 §3.3.5: what a
// proxy may say and what is not believed.
func TestClientCert(t *testing.T) {
	root := authority(t, "root", nil)
	leaf := root.issue(t, template("app"), key(t).Public())
	item := func(c *x509.Certificate) string { return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":" }
	one, ca := item(leaf), item(root.certificate)
	for _, row := range []struct {
		name               string
		certificate, chain []string
		n                  int
		ok                 bool
	}{
		{"none", nil, nil, 0, true},
		{"§2.2: the certificate", []string{one}, nil, 1, true},
		{"§2.3: and its chain", []string{one}, []string{ca + ", " + ca}, 3, true},
		{"RFC 9651 §3.1: a list on several lines", []string{one}, []string{ca, ca}, 3, true},
		{"§2.3: an empty chain", []string{one}, []string{""}, 1, true},
		{"§2.3: a chain alone", nil, []string{ca}, 0, false},
		{"§2.2: twice", []string{one, one}, nil, 0, false},
		{"§2.2: a list", []string{one + ", " + one}, nil, 0, false},
		{"an empty header", []string{""}, nil, 0, false},
		{"no colons, as other proxies write it", []string{one[1 : len(one)-1]}, nil, 0, false},
		{"PEM", []string{"-----BEGIN CERTIFICATE-----"}, nil, 0, false},
		{"parameters", []string{one + ";a=1"}, nil, 0, false},
		{"not base64", []string{":****:"}, nil, 0, false},
		{"not a certificate", []string{":AAAA:"}, nil, 0, false},
		{"more than are looked at", []string{one}, []string{ca + "," + ca + "," + ca + "," + ca + "," + ca}, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := clientauth.ParseClientCert(row.certificate, row.chain)
			if (err == nil) != row.ok || len(got) != row.n {
				t.Errorf("got %d certificates, %v; want %d, %v", len(got), err, row.n, row.ok)
			}
			if row.ok && row.n > 0 && !got[0].Equal(leaf) {
				t.Error("the first is another certificate")
			}
		})
	}
}
