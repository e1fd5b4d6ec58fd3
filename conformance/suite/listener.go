package suite

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// listener is where the provider reaches the suite.
type listener struct {
	base        *url.URL
	certificate *x509.Certificate // nil without TLS
	server      *http.Server

	mu     sync.Mutex
	places map[string][]place
}

type place struct {
	owner   *Places
	when    func(*http.Request) bool // nil is always
	handler http.Handler
}

// listen starts it.
func listen(c Listen) (*listener, error) {
	address := c.Address
	if address == "" {
		address = "127.0.0.1:0"
	}
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	base := c.URL
	if base == "" {
		base = fmt.Sprintf("https://localhost:%d", socket.Addr().(*net.TCPAddr).Port)
	}
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil {
		return nil, fmt.Errorf("listen: url: %w", err)
	}
	l := &listener{base: u, places: map[string][]place{}}
	l.server = &http.Server{
		Handler: l, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // a provider that does not trust us is seen by its absence
	}
	if u.Scheme == "https" {
		certificate, err := c.certificate(u.Hostname())
		if err != nil {
			return nil, err
		}
		if l.certificate, err = x509.ParseCertificate(certificate.Certificate[0]); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		socket = tls.NewListener(socket, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	}
	go func() { _ = l.server.Serve(socket) }()
	return l, nil
}

func (c Listen) certificate(host string) (tls.Certificate, error) {
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return pair, fmt.Errorf("listen: %w", err)
		}
		return pair, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "conformance suite"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("listen: making a certificate: %w", err)
	}
	if c.CAFile != "" {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		if err := os.WriteFile(c.CAFile, text, 0o644); err != nil {
			return tls.Certificate{}, fmt.Errorf("listen: ca_file: %w", err)
		}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// ServeHTTP answers at the places that runs have opened, and writes down who came.
func (l *listener) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	l.mu.Lock()
	places := l.places[request.URL.Path]
	i := slices.IndexFunc(places, func(p place) bool { return p.when == nil || p.when(request) })
	var at place
	if i >= 0 {
		at = places[i]
	}
	l.mu.Unlock()
	if i < 0 {
		http.NotFound(w, request)
		return
	}
	began := time.Now()
	raw, _ := io.ReadAll(io.LimitReader(request.Body, maxBody))
	request.Body = io.NopCloser(bytes.NewReader(raw))
	answer := httptest.NewRecorder()
	at.handler.ServeHTTP(answer, request)
	e := Exchange{
		By: "provider", Method: request.Method, URL: l.base.String() + request.URL.RequestURI(), Header: request.Header, Body: string(raw),
		Status: answer.Code, Response: answer.Header(), Answer: answer.Body.String(), Took: time.Since(began),
	}
	at.owner.journal.Record(e)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// Places are what a run serves at the suite's listener.
type Places struct {
	id        string // the first part of its addresses
	listener  *listener
	redirects string
	journal   *Journal
}

// Serve opens a place at the suite's listener until the run ends, and gives its
// address.
func (p *Places) Serve(name string, handler http.HandlerFunc) string {
	at := p.Address(name)
	p.ServeAt(at, handler)
	return at
}

// ServeAt opens a place at an address of the suite's listener that was agreed
// beforehand, a static client's for instance.
func (p *Places) ServeAt(address string, handler http.HandlerFunc) {
	p.ServeWhen(address, nil, handler)
}

// ServeWhen is [Places.ServeAt] for the requests that are this run's, where several runs
// share an address. when looks at the header only.
func (p *Places) ServeWhen(address string, when func(*http.Request) bool, handler http.HandlerFunc) {
	u, err := url.Parse(address)
	p.journal.works(err, "reading "+address)
	if u.Host != p.listener.base.Host {
		p.journal.works(fmt.Errorf("it is not at the suite's listener, %s", p.listener.base), "listening at "+address)
	}
	p.listener.mu.Lock()
	defer p.listener.mu.Unlock()
	places := p.listener.places
	places[u.Path] = append([]place{{p, when, handler}}, places[u.Path]...) // the last goes before
}

// ServeJSON serves one document.
func (p *Places) ServeJSON(name, media string, document func() string) string {
	return p.Serve(name, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("Cache-Control", "no-cache, max-age=0") // it may change
		_, _ = io.WriteString(w, document())
	})
}

// Address is that of a place of the run.
func (p *Places) Address(name string) string {
	return p.listener.base.String() + "/" + p.id + "/" + name
}

// Redirect is an address that a browser is sent to, a redirect URI for instance;
// nobody needs to be there.
func (p *Places) Redirect(name string) string { return p.redirects + "/" + p.id + "/" + name }

// forget closes the places of a run.
func (l *listener) forget(owner *Places) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for path, places := range l.places {
		places = slices.DeleteFunc(slices.Clone(places), func(p place) bool { return p.owner == owner })
		if len(places) == 0 {
			delete(l.places, path)
		} else {
			l.places[path] = places
		}
	}
}
