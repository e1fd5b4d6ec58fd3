// Package console is where officials work: auditors search the evidence, open events and
// take exports away; operators see the apps, and the deliveries that failed. The route
// table of package web says who is let in where. An auditor's look is recorded before
// anything is shown: see record.go, where each of them is one function.
package console

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/consent"
	"hopnhat/authz/session"
	"hopnhat/web/evidence"
	"hopnhat/web/page"
)

// Path is the start of the console, the search of the evidence.
const Path = page.ConsolePath

// The addresses of the console.
const (
	EventsPath     = Path + "/events"
	ExportsPath    = Path + "/exports"
	AppsPath       = Path + "/apps"
	DeliveriesPath = Path + "/logouts"
	RetryPath      = DeliveriesPath + "/retry"
)

// Evidence is what auditors search.
type Evidence interface {
	evidence.Events
	Find(ctx context.Context, q audit.Query) ([]audit.Recorded, error)
	// Count counts what Find finds, over all pages.
	Count(ctx context.Context, q audit.Query) (evidence.Counts, error)
}

// Log proves entries of the release log.
type Log interface {
	evidence.Log
	// Bundle is an export of events of one shard, by their places, that proves what
	// it leaves out (see proof.Export).
	Bundle(ctx context.Context, origin string, query []byte, made time.Time, shown map[uint64]proof.Record) ([]byte, error)
	// Origin is the shard that is written now.
	Origin() string
}

// Scribe writes what auditors do ([audit.Scribe]).
type Scribe interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Clients finds and lists apps.
type Clients interface {
	page.Clients
	Clients(ctx context.Context, after authz.ClientID, limit int) ([]*authz.Client, error)
}

// Keys says what this node knows of the keys at an app's jwks_uri.
type Keys interface {
	KeyState(id authz.ClientID) (n int, fetched time.Time, failed bool)
}

// Deliveries is the outbox of logout tokens and notices of consent.
type Deliveries interface {
	// Logouts lists deliveries to an app, the newest first, before one of them; without an
	// app those of all apps that failed at least once.
	Logouts(ctx context.Context, client authz.ClientID, before string, limit int) ([]session.Delivery, error)
	// RetryLogout lets one that failed begin again; [authz.ErrNotFound] if there is none.
	RetryLogout(ctx context.Context, id string, at time.Time) error
	// Tx runs a function in one transaction.
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Options is what the console is made of; all are needed.
type Options struct {
	Evidence   Evidence
	Pseudonyms evidence.Pseudonyms
	Log        Log
	Scribe     Scribe
	Clients    Clients
	Keys       Keys
	Deliveries Deliveries
	Catalogue  *consent.Catalogue
	// LogoutQueued is called when a delivery begins again.
	LogoutQueued func()
	Now          func() time.Time
}

// Pages are the pages of the console. They are safe for concurrent use.
type Pages struct {
	o      Options
	proofs evidence.Proofs
}

// New makes the pages.
func New(o Options) *Pages { return &Pages{o: o, proofs: evidence.Proofs{Log: o.Log}} }
