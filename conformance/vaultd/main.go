// Command vaultd is a real HashiCorp Vault server for the tests: its core, token
// store, policies, seal, file audit device and HTTP API, with the transit and
// approle plug-ins and storage in memory. Init and unseal go through the API, as
// in production. It is never linked into the product: see README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
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
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on, loopback only")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "A real Vault for the tests, in memory and sealed until it is initialised.\n\nExample:\n  vaultd --listen 127.0.0.1:8200")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "vaultd:", err)
		os.Exit(1)
	}
}

func run(listen string) error {
	logger := log.New(&log.LoggerOptions{Level: log.Error, Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return err
	}
	plugins := builtins{
		consts.PluginTypeSecrets:    {"transit": transit.Factory},
		consts.PluginTypeCredential: {"approle": approle.Factory},
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical: storage, BuiltinRegistry: plugins, Logger: logger, DisableMlock: true,
		LogicalBackends:    plugins[consts.PluginTypeSecrets],
		CredentialBackends: plugins[consts.PluginTypeCredential],
		AuditBackends:      map[string]audit.Factory{"file": audit.NewFileBackend},
	})
	if err != nil {
		return fmt.Errorf("making the core: %w", err)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	if host, ok := l.Addr().(*net.TCPAddr); !ok || !host.IP.IsLoopback() {
		return errors.New("it listens on loopback only")
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core: core, ListenerConfig: &configutil.Listener{Type: "tcp", TLSDisable: true, MaxRequestSize: 32 << 20, MaxRequestDuration: 30 * time.Second},
	})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	fmt.Printf("http://%s\n", l.Addr())
	select {
	case err := <-failed:
		return err
	case <-stopped.Done():
		return errors.Join(server.Close(), core.Shutdown())
	}
}

// builtins are the plug-ins this server has.
type builtins map[consts.PluginType]map[string]logical.Factory

// Contains tells whether a plug-in is there.
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
