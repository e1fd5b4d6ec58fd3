// Package node assembles one server from its parts, serves, and ends what it began in
// order. Everything that is set of it is a [Config]; the commands of cmd/hopnhat fill one.
//
// [Open] gives tools the part that they need of it: database and keys.
package node

import (
	"errors"
	"io"

	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/broker"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/outbox"
	"hopnhat/authz/provider"
	"hopnhat/authz/session"
	"hopnhat/store"
	"hopnhat/store/registry"
	"hopnhat/store/tlog"
	"hopnhat/web"
)

// Node is one server: its parts, each made once.
type Node struct {
	*Base
	registry  *registry.DB
	log       *tlog.Log
	recorder  *audit.Recorder
	authn     *authn.Authenticator
	server    *web.Server
	sessions  *session.Sessions
	directory *clientauth.Directory
	deliverer *outbox.Lane[session.Delivery]
	pinger    *outbox.Lane[decoupled.Ping]
	provider  *provider.Provider
	broker    *broker.Broker
	watch     *watch
	self      store.Node
	lost      chan error // told once when another node has the site
	closers   []func() error
}

// Options are what a node is given beside its configuration.
type Options struct {
	// Demo are the sample apps that the pages link to; nil: this is no demonstration.
	Demo []web.DemoApp
	// Pushes is where the simulator of the national app's push messages writes.
	Pushes io.Writer
}

// Close ends what was opened, the latest first.
func (n *Node) Close() error {
	var all []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		all = append(all, n.closers[i]())
	}
	n.closers = nil
	return errors.Join(all...)
}
