package store

import (
	"context"

	"hopnhat/store/apis"
	"hopnhat/store/bundles"
	"hopnhat/store/enrolments"
	"hopnhat/store/erasures"
	"hopnhat/store/evidence"
	"hopnhat/store/federated"
	"hopnhat/store/handle"
	"hopnhat/store/histories"
	"hopnhat/store/incidents"
	"hopnhat/store/keybook"
	"hopnhat/store/leafrows"
	"hopnhat/store/losses"
	"hopnhat/store/migrations"
	"hopnhat/store/passkeys"
	"hopnhat/store/regional"
	"hopnhat/store/signins"
	"hopnhat/store/spent"
	"hopnhat/store/upstreams"
)

// Dialect is the database behind a [DB].
type Dialect = handle.Dialect

// The two dialects; both pass the same suite.
const (
	PostgreSQL = handle.PostgreSQL
	SQLite     = handle.SQLite
)

// Options says how to open a database.
type Options = handle.Options

// DialectOf tells from a DSN which database it names.
func DialectOf(dsn string) Dialect { return handle.DialectOf(dsn) }

// EventCounts are totals over all pages of a query.
type EventCounts = evidence.Counts

// Stats counts statements and commits.
type Stats = handle.Stats

// DB is the database, an aggregate a field; what is written to several in one
// [handle.Handle.Tx] is one transaction. It is safe for concurrent use.
type DB struct {
	*handle.Handle
	Accounts
	Agreements
	apis.APIs
	Approvals
	Apps
	Browsers
	Evidence
	federated.Members
	Grants
	keybook.Book
	Outbox
	Permissions
	RoleBook
	signins.SignIns
	Sites
	spent.Spent
	// Heads are the recorded heads of the shards of the release log.
	Heads Heads
	// Erasures are the events that were ordered to be erased.
	Erasures erasures.Book
	// Passkeys are those by which people sign in.
	Passkeys passkeys.Book
	// Upstreams are the links with people at other providers.
	Upstreams upstreams.Book
	// Enrolments are our subordinates in the federation, and the trust marks we granted.
	Enrolments enrolments.Book
	// Challenges and Proofs are accepted once: answers of passkeys, and by what entities of a
	// federation prove who they are.
	Challenges, Proofs spent.Once
	// Bundles are the newest bundles of trust anchors.
	Bundles bundles.Book
	// Histories are what was found of the entities of the federation, and when.
	Histories histories.Book
	// Regional is who chose a province, and what a province was handed.
	Regional regional.Book
	// Incidents are what reconciliation found wrong in the evidence.
	Incidents incidents.Book
	// Losses are asked of a database that was restored from an older copy than the log.
	Losses losses.Book
	// Leaves are rows by the places of their leaves in the log.
	Leaves leafrows.Rows
}

// Each aggregate is one or a few tables that change together. All share the handle.
type (
	// Accounts are the people who sign in: their secrets, locks, contacts, and the
	// guesses that were made.
	Accounts struct{ *handle.Handle }
	// Agreements are consents, their versions and declarations.
	Agreements struct{ *handle.Handle }
	// Approvals are sign-ins on another device (RFC 8628, CIBA), and whom a pairwise
	// subject names.
	Approvals struct{ *handle.Handle }
	// Apps are clients and how they register (RFC 7591, RFC 7592).
	Apps struct{ *handle.Handle }
	// Browsers are the sessions of people who signed in.
	Browsers struct{ *handle.Handle }
	// Evidence are the events, and their places in the release log.
	Evidence = evidence.Book
	// Grants are authorization requests that wait, and grants.
	Grants struct{ *handle.Handle }
	// Outbox is what apps are to be told, until they were.
	Outbox struct{ *handle.Handle }
	// Permissions are what a release is held against, and its uses.
	Permissions struct {
		*handle.Handle
		events evidence.Book
	}
	// RoleBook is who may do what in the consoles.
	RoleBook struct{ *handle.Handle }
	// Sites are the nodes' names and leases.
	Sites struct{ *handle.Handle }
)

// Open connects, without migrating: see [DB.Migrate] and [DB.CheckVersion].
func Open(ctx context.Context, o Options) (*DB, error) {
	db, err := handle.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	events := evidence.New(db)
	return &DB{
		Handle: db, Accounts: Accounts{db}, Agreements: Agreements{db}, APIs: apis.APIs{Handle: db},
		Approvals: Approvals{db}, Apps: Apps{db}, Browsers: Browsers{db},
		Evidence: events, Grants: Grants{db}, Book: keybook.Book{Handle: db}, Outbox: Outbox{db}, Permissions: Permissions{db, events},
		RoleBook: RoleBook{db}, Sites: Sites{db}, Spent: spent.Spent{Handle: db}, Heads: Heads{db, events},
		Incidents: incidents.New(db, events), Losses: losses.Book{Handle: db},
		Leaves: leafrows.New(db, events), Erasures: erasures.Book{Handle: db},
		SignIns: signins.SignIns{Handle: db}, Enrolments: enrolments.Book{Handle: db, Events: events},
		Bundles:    bundles.Book{Handle: db},
		Challenges: spent.Challenges(db), Proofs: spent.Proofs(db), Histories: histories.Book{Handle: db},
		Members: federated.Members{Handle: db}, Upstreams: upstreams.New(db, events), Passkeys: passkeys.New(db),
		Regional: regional.Book{Handle: db},
	}, nil
}

// ErrSchemaBehind means that the database lacks migrations this program needs.
var ErrSchemaBehind = migrations.ErrBehind

// Migrate brings the schema to this program's version: see [migrations.Up].
func (db *DB) Migrate(ctx context.Context, progress func(step string)) error {
	return migrations.Up(ctx, db.Handle, progress)
}

// CheckVersion returns ErrSchemaBehind when a migration is missing: see
// [migrations.Check].
func (db *DB) CheckVersion(ctx context.Context) error { return migrations.Check(ctx, db.Handle) }
