// Package certificate reads the certificate of the server and the authorities of its clients
// from files.
package certificate

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Pair is the server's certificate and key, in two PEM files. They are read
// again when one of them changed, so that a renewal needs no restart. It is safe
// for concurrent use.
type Pair struct {
	certFile, keyFile string
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	read    [2]stamp
	looked  time.Time
}

// stamp distinguishes one content of a file from the next.
type stamp struct {
	changed time.Time
	size    int64
}

// lookEvery is how often, at most, the files are looked at.
const lookEvery = time.Second

// Load reads both files.
func Load(certFile, keyFile string, now func() time.Time) (*Pair, error) {
	c := &Pair{certFile: certFile, keyFile: keyFile, now: now, looked: now()}
	read, err := c.stamps()
	if err != nil {
		return nil, err
	}
	return c, c.load(read)
}

func (c *Pair) stamps() (read [2]stamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		file, err := os.Stat(name)
		if err != nil {
			return read, fmt.Errorf("reading the certificate of the server: %w", err)
		}
		read[i] = stamp{file.ModTime(), file.Size()}
	}
	return read, nil
}

func (c *Pair) load(read [2]stamp) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("reading the certificate of the server from %s and %s: %w", c.certFile, c.keyFile, err)
	}
	if c.now().After(pair.Leaf.NotAfter) {
		return fmt.Errorf("the certificate in %s expired at %s", c.certFile, pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	c.current, c.read = &pair, read
	slog.Info("certificate of the server read", "file", c.certFile, "expires", pair.Leaf.NotAfter)
	return nil
}

// get is called in each handshake. While the new files cannot be used, for
// instance because only one of them is there yet, the old certificate stays.
func (c *Pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		read, err := c.stamps()
		if err == nil && read != c.read {
			err = c.load(read)
		}
		if err != nil {
			slog.Error("the new certificate of the server cannot be used, the old one stays", "error", err)
		}
	}
	return c.current, nil
}

// Config is TLS 1.2 with the cipher suites that BCP 195 recommends (RFC 9325
// §4.2; FAPI 2.0 SP §5.2.2 allows no others), and TLS 1.3. Where certificates are
// asked for, any is let through the handshake, which proves possession of its key
// and no more: whose it must be, only the client's registration knows.
func (c *Pair) Config(ask tls.ClientAuthType) *tls.Config {
	return &tls.Config{
		GetCertificate: c.get, ClientAuth: ask, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
	}
}
