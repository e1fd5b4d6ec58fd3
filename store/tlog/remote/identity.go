package remote

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// Identity is how a node shows that it is one of its site, and knows the others.
type Identity struct {
	authority *x509.Certificate
	signer    ed25519.PrivateKey
	now       func() time.Time

	mu   sync.Mutex
	leaf *tls.Certificate
}

// Life of a node's certificate, which is made anew at half of it. It is good from before,
// so that the clocks of two nodes may differ.
const (
	leafLife   = 48 * time.Hour
	leafBefore = time.Hour
)

// hostName is the name of every writer; which site it is of says the authority.
const hostName = "log.hopnhat.internal"

// NewIdentity makes an identity from 32 secret bytes that the nodes of the site have, and
// nobody else.
func NewIdentity(secret []byte, site string, now func() time.Time) (*Identity, error) {
	if len(secret) != ed25519.SeedSize {
		return nil, fmt.Errorf("the secret of the nodes of site %s has %d bytes, not %d", site, len(secret), ed25519.SeedSize)
	}
	signer := ed25519.NewKeyFromSeed(secret)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Hopnhat, release log of site " + site},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("making the authority of site %s: %w", site, err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making the authority of site %s: %w", site, err)
	}
	return &Identity{authority: authority, signer: signer, now: now}, nil
}

// certificate is that of this node, with a key that never leaves the process.
func (i *Identity) certificate() (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	if i.leaf != nil && now.Before(i.leaf.Leaf.NotBefore.Add(leafBefore+leafLife/2)) {
		return i.leaf, nil
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: hostName}, DNSNames: []string{hostName},
		NotBefore: now.Add(-leafBefore), NotAfter: now.Add(leafLife), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.authority, public, i.signer)
	if err != nil {
		return nil, fmt.Errorf("making this node's certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making this node's certificate: %w", err)
	}
	i.leaf = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
	return i.leaf, nil
}

func (i *Identity) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.authority)
	return pool
}

// Server is the TLS of a writer, which lets nodes of its site in and nobody else.
func (i *Identity) Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: i.pool(), Time: i.now,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.certificate() },
	}
}

// Client is the TLS of a node that appends.
func (i *Identity) Client() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: i.pool(), ServerName: hostName, Time: i.now,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return i.certificate() },
	}
}
