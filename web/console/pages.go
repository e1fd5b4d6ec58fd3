// Package console is where auditors search the evidence, open events and take exports away.
// The route table of package web says who is let in where. An auditor's look is recorded
// before anything is shown: see record.go, where each of them is one function. What
// operators see is in the room operations, incidents in the room of their name.
package console

import (
	"context"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/consent"
	"hopnhat/web/evidence"
	"hopnhat/web/page"
)

// Path is the start of the console, the search of the evidence.
const Path = page.ConsolePath

// The addresses of the console.
const (
	EventsPath  = Path + "/events"
	ExportsPath = Path + "/exports"
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
	// Bundle is an export of events that proves what it leaves out (see proof.Export).
	Bundle(ctx context.Context, query []byte, made time.Time, found proof.Found) ([]byte, error)
}

// Scribe writes what auditors do ([audit.Scribe]).
type Scribe interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Clients finds and lists apps.
type Clients interface {
	page.Clients
	page.AppList
}

// Options is what the console is made of; all are needed.
type Options struct {
	Evidence   Evidence
	Pseudonyms evidence.Pseudonyms
	Log        Log
	Scribe     Scribe
	Clients    Clients
	Catalogue  *consent.Catalogue
	Now        func() time.Time
}

// Pages are the pages of the console. They are safe for concurrent use.
type Pages struct {
	o      Options
	proofs evidence.Proofs
}

// New makes the pages.
func New(o Options) *Pages {
	return &Pages{o: o, proofs: evidence.Proofs{Log: o.Log, Events: o.Evidence, Now: o.Now}}
}
