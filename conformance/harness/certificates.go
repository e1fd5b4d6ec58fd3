package harness

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a certificate authority of a test. Its certificate is in a PEM
// file, where programs find it.
type Authority struct {
	File        string
	Certificate *x509.Certificate

	t   testing.TB
	key crypto.Signer
	dir string
	n   int
}

// Identity is a certificate with its key, as PEM files and ready for TLS.
type Identity struct {
	CertFile, KeyFile string
	Leaf              *x509.Certificate
	TLS               tls.Certificate
}

// NewAuthority makes an authority with files in a folder of the test.
func NewAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	a := &Authority{t: t, dir: t.TempDir(), key: NewKey(t)}
	template := Template(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	template.ExtKeyUsage = nil
	a.Certificate = certify(t, template, template, a.key.Public(), a.key)
	a.File = filepath.Join(a.dir, "ca.pem")
	write(t, a.File, "CERTIFICATE", a.Certificate.Raw)
	return a
}

// NewKey makes a key on P-256.
func NewKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Template is a client's certificate of a common name, in force from an hour ago
// until tomorrow. Change what the test needs otherwise.
func Template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err)
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"Hopnhat Test"}, Country: []string{"VN"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// Issue makes a certificate for a new key.
func (a *Authority) Issue(template *x509.Certificate) Identity {
	a.t.Helper()
	key := NewKey(a.t)
	return a.keep(certify(a.t, template, a.Certificate, key.Public(), a.key), key)
}

// Client makes a client's certificate with subject CN=name,O=Hopnhat Test,C=VN.
func (a *Authority) Client(name string) Identity {
	a.t.Helper()
	return a.Issue(Template(name))
}

// Server makes a server's certificate for localhost and the loopback addresses.
func (a *Authority) Server() Identity {
	a.t.Helper()
	template := Template("localhost")
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{"localhost"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	return a.Issue(template)
}

// SelfSigned makes a client's certificate that nobody issued; its files are kept
// with the authority's.
func (a *Authority) SelfSigned(name string) Identity {
	a.t.Helper()
	key, template := NewKey(a.t), Template(name)
	return a.keep(certify(a.t, template, template, key.Public(), key), key)
}

func (a *Authority) keep(leaf *x509.Certificate, key crypto.Signer) Identity {
	a.t.Helper()
	a.n++
	file := func(kind string) string { return filepath.Join(a.dir, fmt.Sprintf("%d.%s.pem", a.n, kind)) }
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	id := Identity{CertFile: file("cert"), KeyFile: file("key"), Leaf: leaf}
	write(a.t, id.CertFile, "CERTIFICATE", leaf.Raw)
	write(a.t, id.KeyFile, "PRIVATE KEY", der)
	id.TLS = tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	return id
}

// Transport trusts the authority and no other, and presents the identities given.
func (a *Authority) Transport(as ...Identity) *http.Transport {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	for _, id := range as {
		config.Certificates = append(config.Certificates, id.TLS)
	}
	transport := &http.Transport{TLSClientConfig: config}
	a.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func certify(t testing.TB, template, issuer *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func write(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
