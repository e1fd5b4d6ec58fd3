package regional

import (
	"context"
	"errors"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/federation"
)

// Choice is a province at which a person chose services.
type Choice struct {
	Provider federation.EntityID
	Chosen   time.Time
}

// Chosen is a person who chose services at a province, with what is handed over of her.
type Chosen struct {
	// Person is by what the province knows her.
	Person, Subject authz.Subject
	Kind            authz.Kind
	Level           authz.AccountLevel
	Number          authz.PersonalNumber
	Locked          bool
	// Password is the hash, and Seed the sealed seed of one-time codes with the last time step
	// that was used; empty for a factor that she does not hold.
	Password, Seed []byte
	Step           int64
	// Handed is false where nothing was handed over of her yet.
	Handed bool
	// Version is when it changed last, zero where that has none yet. Gone: she has withdrawn her
	// choice, and there is the name alone.
	Version int64
	Gone    bool
}

// ChoiceStore keeps the choices.
type ChoiceStore interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
	// Choose keeps a choice; authz.ErrConflict if it is there.
	Choose(ctx context.Context, subject, person authz.Subject, provider federation.EntityID, at time.Time) error
	// Withdraw takes a choice back; authz.ErrConflict if it is not there.
	Withdraw(ctx context.Context, subject authz.Subject, provider federation.EntityID) error
	// Of lists the choices of a person.
	Of(ctx context.Context, subject authz.Subject) ([]Choice, error)
	// People lists those who chose a provider, in the order of its names for them, after one, at
	// most limit.
	People(ctx context.Context, provider federation.EntityID, after authz.Subject, limit int) ([]Chosen, error)
	// Number gives the changes that have no version the next ones, and answers with the last:
	// whatever was committed before stands at that version or below it in what is listed after.
	// A version is a time in microseconds, or later; what claims to be of the future has none.
	Number(ctx context.Context, provider federation.EntityID, now time.Time) (head int64, err error)
	// Raise makes the versions that come later than one.
	Raise(ctx context.Context, provider federation.EntityID, version int64) error
	// Changes lists those of whom something changed after a version, in the order of theirs, at
	// most limit.
	Changes(ctx context.Context, provider federation.EntityID, since int64, limit int) ([]Chosen, error)
	// Handed notes that something was handed over of people, in the transaction of the context.
	Handed(ctx context.Context, provider federation.EntityID, people []authz.Subject, at time.Time) error
}

// Evidence writes events in the transaction of the context ([audit.Scribe]).
type Evidence interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Choices are what people choose. Each is an event of its own. It is safe for concurrent use.
type Choices struct {
	Names    *Names
	Store    ChoiceStore
	Evidence Evidence
	Now      func() time.Time
}

// ErrNoProvider means that there is no provider of a province of that name.
var ErrNoProvider = errors.New("there is no provider of a province of this name")

// Days is how long what is handed over is good.
func (c *Choices) Days() int { return c.Names.Providers.Days }

// Providers are those that people may choose, in the order of the file.
func (c *Choices) Providers() []Provider { return c.Names.Providers.All }

// Of lists the choices of a person.
func (c *Choices) Of(ctx context.Context, who authz.Subject) ([]Choice, error) {
	return c.Store.Of(ctx, who)
}

// Choose lets a province have what a person signs in with. Who has chosen it already has it;
// ErrNoProvider for one that there is not.
func (c *Choices) Choose(ctx context.Context, who authz.Subject, provider federation.EntityID) error {
	if _, ok := c.Names.Providers.Of(provider); !ok {
		return ErrNoProvider
	}
	person, err := c.Names.Person(ctx, provider, who)
	if err != nil {
		return err
	}
	return c.change(ctx, who, provider, audit.RegionalChosen, func(ctx context.Context) error {
		return c.Store.Choose(ctx, who, person, provider, c.Now())
	})
}

// Withdraw takes the choice back, also of a province that is none any more.
func (c *Choices) Withdraw(ctx context.Context, who authz.Subject, provider federation.EntityID) error {
	return c.change(ctx, who, provider, audit.RegionalWithdrawn, func(ctx context.Context) error {
		return c.Store.Withdraw(ctx, who, provider)
	})
}

// change makes a change with its event; one that was made before is as good.
func (c *Choices) change(
	ctx context.Context, who authz.Subject, provider federation.EntityID, action audit.Action, do func(ctx context.Context) error,
) error {
	err := c.Store.Tx(ctx, func(ctx context.Context) error {
		if err := do(ctx); err != nil {
			return err
		}
		_, err := c.Evidence.Write(ctx, audit.Act{Action: action, Subject: who, Detail: audit.Detail{Object: string(provider)}})
		return err
	})
	if errors.Is(err, authz.ErrConflict) {
		return nil
	}
	return err
}

// signsIn reports whether something is handed over of a person: of one who is locked, or could not
// sign in there without both factors, there is the name alone.
func (p Chosen) signsIn() bool {
	return !p.Gone && !p.Locked && len(p.Password) > 0 && len(p.Password) <= maxHash && len(p.Seed) > 0 &&
		numberForm.MatchString(p.Number.Reveal()) && p.Kind != "" && p.Level >= 1 && p.Level <= 2
}

// handOver records of whom something is handed over for the first time.
func handOver(
	ctx context.Context, store ChoiceStore, evidence Evidence, provider federation.EntityID, people []Chosen, now time.Time,
) error {
	people = slices.DeleteFunc(slices.Clone(people), func(p Chosen) bool { return p.Handed || !p.signsIn() })
	if len(people) == 0 {
		return nil
	}
	return store.Tx(ctx, func(ctx context.Context) error {
		subjects, acts := make([]authz.Subject, len(people)), make([]audit.Act, len(people))
		for i, p := range people {
			subjects[i] = p.Subject
			acts[i] = audit.Act{Action: audit.RegionalHanded, Subject: p.Subject, Detail: audit.Detail{Object: string(provider)}}
		}
		if err := store.Handed(ctx, provider, subjects, now); err != nil {
			return err
		}
		_, err := evidence.Write(ctx, acts...)
		return err
	})
}
