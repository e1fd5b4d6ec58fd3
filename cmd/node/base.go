package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/consent"
	"hopnhat/authz/identity"
	"hopnhat/authz/registration"
	"hopnhat/authz/session"
	"hopnhat/cmd/node/beside"
	"hopnhat/cmd/node/losses"
	"hopnhat/cmd/node/releaselog"
	"hopnhat/cmd/node/toollog"
	"hopnhat/keys/lifecycle"
	"hopnhat/store"
	"hopnhat/store/sqldb"
)

// Base is what a server and the tools beside it both open: the database, the keys, and
// what follows from them.
type Base struct {
	Config     *Config
	DB         *store.DB
	Ring       *lifecycle.Keeper
	Pseudonyms *identity.Pseudonyms
	Hasher     *authn.Hasher
	Catalogue  *consent.Catalogue
	Copies     beside.Copies
	// Told is where a tool says that an event of its own is not in the log; nil for nowhere.
	Told io.Writer
	// Log is the logs of the site as a tool has them.
	Log *toollog.Log
}

// Open opens the base for a tool, which makes nothing that is not there yet.
func Open(ctx context.Context, c *Config) (*Base, error) { return open(ctx, c, "") }

// open opens the base. A server has a name among the nodes that serve keys, and begins
// what is not there yet; a tool has none, and makes nothing.
func open(ctx context.Context, c *Config, node string) (*Base, error) {
	begin := node != ""
	db, err := c.OpenDatabase(ctx, begin)
	if err != nil {
		return nil, err
	}
	ring, err := c.OpenKeys(ctx, db, node, begin)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	b := &Base{
		Config: c, DB: db, Ring: ring, Catalogue: consent.Load(), Copies: beside.New(db, ring),
		Hasher: authn.NewHasher(authn.Argon2{MemoryKiB: uint32(c.Argon2KiB), Passes: 2, Lanes: 1}),
	}
	db.Leaves = db.Leaves.Named(b.Copies.IDs(releaselog.Archives(c.State, c.LogOrigin, c.LogFolder)))
	if b.Pseudonyms, err = identity.NewPseudonyms(ctx, ring); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	b.Log = &toollog.Log{
		Reach:  func(ctx context.Context) (*releaselog.Reached, error) { return releaselog.Reach(ctx, b.logOptions()) },
		Events: db, Copies: b.Copies, Told: func() io.Writer { return b.Told },
	}
	return b, nil
}

// Scribe writes the evidence of a tool, whose leaves are in the log before the tool ends, or
// it is said that they are not.
func (b *Base) Scribe() *audit.Scribe {
	return &audit.Scribe{Rows: b.DB, Leaves: b.Log, Pseudonyms: b.Pseudonyms, Site: b.Config.Site}
}

// Close closes what a tool has of the log, the keys, then the database.
func (b *Base) Close() error { return errors.Join(b.Log.Close(), b.Ring.Close(), b.DB.Close()) }

// Contacts are those of the accounts, sealed under the keyring.
func (b *Base) Contacts() *identity.Contacts { return &identity.Contacts{Store: b.DB, Keys: b.Ring} }

// Sessions are for ending sessions, and for a server to hold them.
func (b *Base) Sessions(scribe *audit.Scribe) *session.Sessions {
	c := b.Config
	limits := session.Limits{Idle: c.SessionIdle, Absolute: c.SessionAbsolute, Grants: c.GrantLife}
	return session.New(b.DB, scribe, limits, strings.HasPrefix(c.Issuer, "https://"), time.Now)
}

// RegistrationRules are what is checked of an app's registration, whoever makes it.
func (b *Base) RegistrationRules() registration.Rules {
	return registration.Rules{Catalogue: b.Catalogue, Loopback: b.Config.LoopbackIssuer(), Signs: List(b.Config.SigningAlgs)}
}

// OpenDatabase opens the main database. With create set, the state folder and a SQLite
// file are made if they are missing, and SQLite is migrated, since a laptop has no other
// role for it; without, a missing file is an error. PostgreSQL must have been migrated.
func (c *Config) OpenDatabase(ctx context.Context, create bool) (*store.DB, error) {
	if create {
		if err := sqldb.Folder(c.State); err != nil {
			return nil, err
		}
	}
	db, err := store.Open(ctx, store.Options{DSN: c.Database, MaxConns: c.DatabaseConns, Create: create})
	if errors.Is(err, sqldb.ErrNoFile) {
		return nil, fmt.Errorf("%w: name the right one (state, database); to begin with an empty one, run `hopnhat init` with these flags, or start the server", err)
	}
	if err != nil {
		return nil, err
	}
	if db.Dialect() == store.SQLite && create {
		err = db.Migrate(ctx, nil)
	} else {
		err = db.CheckVersion(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// logOptions are those of the logs of this site.
func (b *Base) logOptions() releaselog.Options {
	c := b.Config
	return releaselog.Options{
		Site: c.Site, State: c.State, Origin: c.LogOrigin, Folder: c.LogFolder, Sites: b.DB.Sites, Heads: b.DB.Heads,
		KnownSize: b.DB.KnownLogSize, Explain: b.DB.Leaves.Explain, Anchor: c.LogAnchor, Ring: b.Ring, Copies: b.Copies.Of,
	}
}

// Losses are the events that the logs here know and the database does not.
func (b *Base) Losses(scribe *audit.Scribe) *losses.Losses {
	c := b.Config
	return &losses.Losses{
		DB: b.DB, Copies: b.Copies, Archives: releaselog.Archives(c.State, c.LogOrigin, c.LogFolder), Scribe: scribe,
		End: func(ctx context.Context, subject authz.Subject, because session.Because) error {
			_, err := b.Sessions(scribe).EndAll(ctx, b.DB, subject, because)
			return err
		},
		Name: b.Pseudonyms.Audit, Catalogue: b.Catalogue,
	}
}
