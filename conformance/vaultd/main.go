// Command vaultd is a real HashiCorp Vault server for the tests: its core, token
// store, policies, seal, file audit device and HTTP API, with the transit and
// approle plug-ins and storage in memory or in a folder. With --standby a second
// server of the same cluster listens beside the first. Init and unseal go through
// the API, as in production. It is never linked into the product: see README.md.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	log "github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/transit"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address to listen on, loopback only")
	flag.StringVar(&o.data, "data", "", "folder to keep everything in, so that a restart finds it; in memory without")
	flag.StringVar(&o.tls, "tls", "", "speak TLS with a certificate of its own, kept in this folder as ca.pem with key.pem")
	flag.BoolVar(&o.standby, "standby", false, "start a second server of the cluster and print its address too; in memory only")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "A real Vault for the tests, sealed until it is initialised.\n\nExample:\n  vaultd --listen 127.0.0.1:8200 --data /tmp/vault")
		flag.PrintDefaults()
	}
	flag.Parse()
	// A limit on the size of files is how a test fills the disk of the audit
	// device: writing then fails, and must not end the process.
	signal.Ignore(syscall.SIGXFSZ)
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "vaultd:", err)
		os.Exit(1)
	}
}

type options struct {
	listen, data, tls string
	standby           bool
}

func run(o options) error {
	logger := log.New(&log.LoggerOptions{Level: log.Error, Output: os.Stderr})
	storage, ha, err := o.storage(logger)
	if err != nil {
		return err
	}
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed := make(chan error, 2)
	listens := []string{o.listen}
	if o.standby {
		listens = append(listens, "127.0.0.1:0")
	}
	var servers []*server
	for _, listen := range listens {
		s, err := newServer(listen, o.tls, storage, ha, logger)
		if err != nil {
			return err
		}
		servers = append(servers, s)
		go func() { failed <- s.serve() }()
		fmt.Println(s.address)
	}
	select {
	case err = <-failed:
	case <-stopped.Done():
	}
	for _, s := range servers {
		err = errors.Join(err, s.http.Close(), s.core.Shutdown())
	}
	return err
}

// storage is where a cluster keeps what it knows, and how its servers agree on
// who is active; ha is nil for a server alone.
func (o options) storage(logger log.Logger) (storage physical.Backend, ha physical.HABackend, err error) {
	switch {
	case o.data != "" && o.standby:
		return nil, nil, errors.New("--standby keeps everything in memory")
	case o.data != "":
		storage, err = file.NewFileBackend(map[string]string{"path": o.data}, logger)
		return storage, nil, err
	}
	if storage, err = inmem.NewInmem(nil, logger); err != nil || !o.standby {
		return storage, nil, err
	}
	locks, err := inmem.NewInmemHA(nil, logger)
	if err != nil {
		return nil, nil, err
	}
	return storage, locks.(physical.HABackend), nil
}

type server struct {
	core     *vault.Core
	http     *http.Server
	listener net.Listener
	address  string
}

// serve serves until it is closed; over TLS with HTTP/2, as Vault's own listener
// does.
func (s *server) serve() error {
	if s.http.TLSConfig == nil {
		return s.http.Serve(s.listener)
	}
	return s.http.ServeTLS(s.listener, "", "")
}

func newServer(listen, tlsFolder string, storage physical.Backend, ha physical.HABackend, logger log.Logger) (*server, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	if host, ok := l.Addr().(*net.TCPAddr); !ok || !host.IP.IsLoopback() {
		return nil, errors.New("it listens on loopback only")
	}
	s := &server{listener: l, address: "http://" + l.Addr().String()}
	var config *tls.Config
	if tlsFolder != "" {
		pair, err := certificate(tlsFolder)
		if err != nil {
			return nil, fmt.Errorf("its certificate: %w", err)
		}
		s.address = "https://" + l.Addr().String()
		config = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	plugins := builtins{
		consts.PluginTypeSecrets:    {"transit": transit.Factory},
		consts.PluginTypeCredential: {"approle": approle.Factory},
	}
	core := &vault.CoreConfig{
		Physical: storage, BuiltinRegistry: plugins, Logger: logger, DisableMlock: true,
		LogicalBackends:    plugins[consts.PluginTypeSecrets],
		CredentialBackends: plugins[consts.PluginTypeCredential],
		AuditBackends:      map[string]audit.Factory{"file": audit.NewFileBackend},
	}
	if ha != nil {
		core.HAPhysical, core.RedirectAddr = ha, s.address
	}
	if s.core, err = vault.NewCore(core); err != nil {
		return nil, fmt.Errorf("making the core: %w", err)
	}
	s.http = &http.Server{TLSConfig: config, ReadHeaderTimeout: 10 * time.Second, Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core: s.core, ListenerConfig: &configutil.Listener{Type: "tcp", TLSDisable: config == nil, MaxRequestSize: 32 << 20, MaxRequestDuration: 30 * time.Second},
	})}
	return s, nil
}

// certificate is the one in a folder, made there if there is none: of P-256, for
// the loopback address, vouched for by itself.
func certificate(folder string) (tls.Certificate, error) {
	certFile, keyFile := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "key.pem")
	if pair, err := tls.LoadX509KeyPair(certFile, keyFile); !errors.Is(err, os.ErrNotExist) {
		return pair, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "vaultd"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	for _, file := range []struct {
		name, kind string
		der        []byte
	}{{keyFile, "PRIVATE KEY", private}, {certFile, "CERTIFICATE", der}} {
		if err := os.WriteFile(file.name, pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.der}), 0o600); err != nil {
			return tls.Certificate{}, err
		}
	}
	return tls.LoadX509KeyPair(certFile, keyFile)
}

// builtins are the plug-ins this server has.
type builtins map[consts.PluginType]map[string]logical.Factory

// Contains reports whether a plug-in is there.
func (b builtins) Contains(name string, kind consts.PluginType) bool { return b[kind][name] != nil }

// Get gives a plug-in's factory.
func (b builtins) Get(name string, kind consts.PluginType) (func() (interface{}, error), bool) {
	factory, ok := b[kind][name]
	return func() (interface{}, error) { return factory, nil }, ok
}

// Keys lists the plug-ins of a kind.
func (b builtins) Keys(kind consts.PluginType) []string {
	var names []string
	for name := range b[kind] {
		names = append(names, name)
	}
	return names
}

// DeprecationStatus is that none is deprecated.
func (b builtins) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, b.Contains(name, kind)
}

// IsBuiltinEntPlugin is that none belongs to the enterprise edition.
func (builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
