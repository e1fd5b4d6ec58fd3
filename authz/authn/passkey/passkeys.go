package passkey

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/tally"
	"hopnhat/keys/seal"
)

// Most is how many passkeys one person may have, Ever how many with those that were removed.
const (
	Most = 10
	Ever = 200
)

// MaxName bounds the name that a person gives a passkey, in characters.
const MaxName = 60

// Passkey is one as its person sees it.
type Passkey struct {
	Held
	Name string
	// AAGUID is the model of the authenticator as it says itself, a UUID; of zeros if it does not.
	AAGUID string
	Added  time.Time
	// Used is when she signed in with it last, zero if never.
	Used time.Time
}

// Held is a passkey as a sign-in needs it.
type Held struct {
	ID      authn.FactorID
	Subject authz.Subject
	Locked  bool // the account
	// Key is the COSE public key.
	Key     []byte
	Counter int64
	// Synced says that the authenticator may copy it to other devices of the person.
	Synced bool
	// Credential is the credential id, MAC is ours over all but Locked and Counter, and
	// CounterMAC over Counter.
	Credential, MAC, CounterMAC []byte
}

// Store keeps passkeys.
type Store interface {
	// Passkey finds the one of a credential id that was not removed; authz.ErrNotFound.
	Passkey(ctx context.Context, credential []byte) (Held, error)
	// PasskeysOf lists those of a person that were not removed, the oldest first.
	PasskeysOf(ctx context.Context, who authz.Subject) ([]Passkey, error)
	// HoldAccount keeps the account of a person open until the transaction ends, and others who
	// hold it waiting; authz.ErrNotFound if it is locked.
	HoldAccount(ctx context.Context, who authz.Subject) error
	// InsertPasskey keeps a new one: authz.ErrConflict if the credential is there, also as a
	// removed one, authz.ErrNotFound if the person had [Ever] of them.
	InsertPasskey(ctx context.Context, p Passkey) error
	// RemovePasskey ends one of a person, for good; authz.ErrNotFound if it is not hers,
	// or over.
	RemovePasskey(ctx context.Context, who authz.Subject, id authn.FactorID, at time.Time) error
	// SpendChallenge remembers, until it expires, that a challenge was answered: of any number of
	// calls for one, on all nodes, exactly one returns nil, the others authn.ErrUsed.
	SpendChallenge(ctx context.Context, digest []byte, expires time.Time) error
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Evidence writes events in the transaction of the context ([audit.Scribe]).
type Evidence interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Options is what Passkeys are made of; all are needed.
type Options struct {
	Party    Party
	Key      seal.Key // of [seal.Passkeys]
	Store    Store
	Evidence Evidence
	// Limit is how long an address has to wait for another try.
	Limit interface {
		Take(address netip.Addr) (wait time.Duration)
	}
	// Tickets say whose sign-in it is that goes on.
	Tickets interface {
		Holder(ticket, binding string) (authz.Subject, error)
	}
	// Outcomes counts what becomes of sign-ins.
	Outcomes *tally.Counter[authn.Outcome]
	Now      func() time.Time
}

// Passkeys adds, uses and removes passkeys. It is safe for concurrent use.
type Passkeys struct {
	o       Options
	fresh   challenges
	handles seal.Key
	rows    seal.Key
}

// New makes them.
func New(o Options) *Passkeys {
	return &Passkeys{
		o: o, fresh: challenges{o.Key, o.Now}, handles: o.Key.Under(seal.PasskeyHandles), rows: o.Key.Under(seal.PasskeyRows),
	}
}

// handle is the user handle of a person: it tells an authenticator, which keeps it, nothing of
// her (WebAuthn Level 3 §14.6.1).
func (p *Passkeys) handle(who authz.Subject) []byte { return p.handles.MAC([]byte(who)) }

// row is what the MAC of a passkey is over: all that never changes.
func (h Held) row() []byte {
	return []byte(text(struct {
		ID              authn.FactorID
		Subject         authz.Subject
		Credential, Key []byte
		Synced          bool
	}{h.ID, h.Subject, h.Credential, h.Key, h.Synced}))
}

// counted is what the MAC of a signature counter is over.
func counted(id authn.FactorID, counter int64) []byte {
	return binary.BigEndian.AppendUint64([]byte("counter of "+string(id)+" "), uint64(counter))
}

// genuine reports whether a passkey is as this server wrote it.
func (p *Passkeys) genuine(h Held) bool {
	return p.rows.Genuine(h.MAC, h.row()) && p.rows.Genuine(h.CounterMAC, counted(h.ID, h.Counter))
}

// List lists the passkeys of a person, the oldest first. A row that this server did not write is
// none.
func (p *Passkeys) List(ctx context.Context, who authz.Subject) ([]Passkey, error) {
	all, err := p.o.Store.PasskeysOf(ctx, who)
	return slices.DeleteFunc(all, func(one Passkey) bool { return !p.genuine(one.Held) }), err
}

// Person is somebody who is signed in and adds a passkey.
type Person struct {
	Subject authz.Subject
	Session authz.SessionID
	// Binding ties the ceremony to her browser.
	Binding string
	// Name is what her authenticator shows of her.
	Name string
}

// Offer is what a browser needs to make a new passkey beside those that its person has, as
// JSON for the script of the page (WebAuthn Level 3 §5.4). named is how this server calls itself.
func (p *Passkeys) Offer(who Person, named string, has []Passkey) string {
	ids := make([][]byte, len(has))
	for i, one := range has {
		ids[i] = one.Credential
	}
	return p.o.Party.offered(
		p.fresh.fresh(adding(who.Session), who.Binding), named,
		user{base64url.EncodeToString(p.handle(who.Subject)), who.Name, who.Name}, ids,
	)
}

// ErrName means that a name is none that people can read, or too long.
var ErrName = fmt.Errorf("the name of a passkey has at most %d characters and no control characters", MaxName)

// CleanName is the name of a passkey as it is kept; [ErrName] if it is none.
func CleanName(typed string) (string, error) {
	name := strings.Join(strings.Fields(typed), " ")
	if name == "" || len([]rune(name)) > MaxName || authz.CheckText(name) != nil {
		return "", ErrName
	}
	return name, nil
}

// Add keeps the passkey that an authenticator made by an [Passkeys.Offer], with its event. The
// error is [ErrName], authn.ErrLocked, or a [Refusal].
func (p *Passkeys) Add(ctx context.Context, who Person, named, answer string) error {
	name, err := CleanName(named)
	if err != nil {
		return err
	}
	c, err := readCreated(answer)
	if err != nil {
		return err
	}
	spends, err := p.fresh.check(c.challenge(), adding(who.Session), who.Binding)
	if err != nil {
		return err
	}
	m, err := p.o.Party.verifyCreated(c)
	if err != nil {
		return err
	}
	now := p.o.Now().UTC()
	one := Passkey{Name: name, AAGUID: m.aaguid, Added: now, Held: Held{
		ID: authn.FactorID(authz.NewID()), Subject: who.Subject, Credential: m.id, Key: m.key, Counter: m.counter, Synced: m.synced,
	}}
	one.MAC, one.CounterMAC = p.rows.MAC(one.row()), p.rows.MAC(counted(one.ID, one.Counter))
	err = p.o.Store.Tx(ctx, func(ctx context.Context) error {
		if err := p.o.Store.SpendChallenge(ctx, spends.digest, spends.expires); err != nil {
			return err
		}
		if err := p.o.Store.HoldAccount(ctx, who.Subject); errors.Is(err, authz.ErrNotFound) {
			return authn.ErrLocked
		} else if err != nil {
			return err
		}
		if has, err := p.List(ctx, who.Subject); err != nil {
			return err
		} else if len(has) >= Most {
			return refuse(Full)
		}
		switch err := p.o.Store.InsertPasskey(ctx, one); {
		case errors.Is(err, authz.ErrConflict): // §7.1 step 26
			return refuse(Taken)
		case errors.Is(err, authz.ErrNotFound):
			return refuse(Full)
		case err != nil:
			return err
		}
		return p.note(ctx, audit.PasskeyAdded, who.Subject, one.ID, now, "person")
	})
	if errors.Is(err, authn.ErrUsed) {
		return refuse(Spent)
	}
	return err
}

// Remove ends a passkey of a person, with its event; authz.ErrNotFound if it is not hers, or
// over. It is never her last way in: whoever has an account here has a password and one-time
// codes, which no page takes from her.
func (p *Passkeys) Remove(ctx context.Context, who authz.Subject, id authn.FactorID) error {
	return p.o.Store.Tx(ctx, func(ctx context.Context) error {
		now := p.o.Now().UTC()
		if err := p.o.Store.RemovePasskey(ctx, who, id, now); err != nil {
			return err
		}
		return p.note(ctx, audit.PasskeyRemoved, who, id, now, "person")
	})
}

// note writes the event of something that became of a passkey, with what determined it.
func (p *Passkeys) note(ctx context.Context, action audit.Action, who authz.Subject, id authn.FactorID, at time.Time, by ...string) error {
	_, err := p.o.Evidence.Write(ctx, audit.Act{
		Action: action, Subject: who, At: at, Detail: audit.Detail{Object: string(id)}, Decision: audit.Decision{Determining: by},
	})
	return err
}
