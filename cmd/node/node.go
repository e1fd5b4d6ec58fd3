// Package node assembles one server from its parts, serves, and ends what it began in
// order. Everything that is set of it is a [Config]; the commands of cmd/hopnhat fill one.
//
// [Open] gives tools the part that they need of it: database and keys.
package node

import (
	"errors"
	"io"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/incident"
	"hopnhat/authz/audit/trees"
	"hopnhat/authz/authn"
	"hopnhat/authz/broker"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/consent"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/outbound"
	"hopnhat/authz/outbox"
	"hopnhat/authz/provider"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/authz/session"
	"hopnhat/cmd/node/counting"
	"hopnhat/cmd/node/federating"
	"hopnhat/cmd/node/provincial"
	"hopnhat/cmd/node/reconciling"
	"hopnhat/cmd/node/registering"
	"hopnhat/cmd/node/releaselog"
	"hopnhat/cmd/node/upstreaming"
	"hopnhat/cmd/node/watch"
	"hopnhat/store/registry"
	"hopnhat/web"
	"hopnhat/web/signin"
)

// Node is one server: its parts, each made once.
type Node struct {
	*Base
	options Options
	roles   []web.Role

	log      *releaselog.Log
	logs     *trees.Logs
	recorder *audit.Recorder
	scribe   *audit.Scribe
	registry *registry.DB
	watch    *watch.Watch
	out      *outbound.Client
	board    *incident.Board // what is known to be wrong in the evidence
	counting *counting.Job
	// reconciling is nil on a node that never writes the log.
	reconciling *reconciling.Job

	sessions     *session.Sessions
	authn        *authn.Authenticator
	failed       *authn.FailedSignIns
	passkeys     web.Passkeys
	clients      *registering.Clients
	directory    *clientauth.Directory
	consents     *consent.Consents
	approvals    *decoupled.Engine
	broker       *broker.Broker     // nil on a node that releases nothing
	registration *endpoint.Endpoint // nil: apps do not register themselves
	provider     *provider.Provider // nil on a node that answers nobody
	deliverer    *outbox.Lane[session.Delivery]
	pinger       *outbox.Lane[decoupled.Ping]
	logoutQueued signal               // logout tokens wait for the deliverer
	answered     signal               // pings wait for the pinger
	federation   *federating.Server   // nil: it is no entity of a federation
	province     *provincial.Province // nil: it is not the provider of a province
	upstreams    upstreaming.Upstreams
	regional     *provincial.Part // the provider of a province, the centre, or neither
	server       *web.Server

	running running
	closers []func() error
}

// Options are what a node is given beside its configuration.
type Options struct {
	// Demo are the sample apps that the pages link to; nil: this is no demonstration.
	Demo []signin.DemoApp
	// Pushes is where the simulator of the national app's push messages writes.
	Pushes io.Writer
}

// signal wakes one goroutine; several signals that nobody took yet are one.
type signal chan struct{}

// send never waits.
func (s signal) send() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// Close ends what was opened, the latest first; [Node.Stop] ends a node that serves.
func (n *Node) Close() error {
	var all []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		all = append(all, n.closers[i]())
	}
	n.closers = nil
	return errors.Join(all...)
}
