package lifecycle

import (
	"context"
	"log/slog"
	"time"

	"hopnhat/keys"
	"hopnhat/keys/batch"
)

// Options is what a Keeper is made of; the zero values of the lower half take the
// defaults.
type Options struct {
	Store  keys.Store
	Ledger Ledger
	// Algorithms of the token keys; ES256 alone if empty.
	Algorithms []keys.Algorithm
	Rules      map[keys.Use]Rule
	// Node names this process among the nodes; empty is a command, which serves
	// nothing and moves nothing by itself.
	Node string
	// MayCreate says that this process has the right to create versions.
	MayCreate bool
	// Begin says that this process may give an empty Ledger the keyring of Store.
	Begin bool
	// Recognised is called once the keyring is known to be the Ledger's, before any step is
	// made: the place to make keys that the store lacks, or what else hangs on the right keys.
	// It may be nil.
	Recognised func(ctx context.Context) error
	// Coalesce signs in batches; nil signs each by itself, for a store in this
	// process.
	Coalesce *batch.Options
	// Record writes a transition into the evidence, in the transaction that makes
	// it. It may be nil.
	Record func(ctx context.Context, t Transition) error

	// Tick is how often the Ledger is read, 2 s; Heartbeat how often a node reports that
	// it lives when nothing changes, 10 s; Reread how often the store is asked for
	// versions nobody announced, 15 s.
	Tick, Heartbeat, Reread time.Duration
	// Lease is how long a node may go on without reading the Ledger, 60 s.
	Lease time.Duration
	// Days is how far back a relying party counts as active, 7 days.
	Days   time.Duration
	Now    func() time.Time
	Logger *slog.Logger
}

// Transition is a step that was made, for the evidence.
type Transition struct {
	Step
	At  time.Time
	Why string
}

// withDefaults fills what was left out.
func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Tick, 2 * time.Second},
		{&o.Heartbeat, 10 * time.Second},
		{&o.Reread, 15 * time.Second},
		{&o.Lease, time.Minute},
		{&o.Days, 7 * 24 * time.Hour},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// federationOverlap is how long a federation key stays in the set after its last signature: what
// it signed is in force for a day, and trust marks that it signed are to be fetched anew.
const federationOverlap = 30 * 24 * time.Hour

// Rules are the rules for a server whose JWK Sets are cached for cache, whose
// tokens live no longer than token, and whose keys get a successor every so
// often. Checkpoint keys change by command only, and what they signed is to be
// verified for ever. Federation keys sign by command only: superiors state them, and others
// pin those of a trust anchor, so both have to have a key before it signs (OpenID Federation
// 1.0 §11.2).
func Rules(cache, token, every time.Duration) map[keys.Use]Rule {
	r := Rule{Lead: cache, Overlap: token, Every: every}
	return map[keys.Use]Rule{
		keys.TokenSigning: r, keys.RequestDecryption: r,
		keys.EntityStatement: {Overlap: federationOverlap, ByCommand: true},
		keys.LogCheckpoint:   {Lead: cache},
	}
}
