package authztest

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
)

// WasAsked reports whether the person was asked for an attribute.
func (w *World) WasAsked(id authz.AttributeID) bool {
	return slices.ContainsFunc(w.Wanted, func(r authz.Release) bool { return slices.Contains(r.Attributes, id) })
}

// Certificate is a client's own, in force at the time of the world.
func (w *World) Certificate(t testing.TB) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: w.Now.Add(-time.Hour),
		NotAfter: w.Now.Add(time.Hour),
	}
	k := NewKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
