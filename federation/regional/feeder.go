package regional

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/statement"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// How often the centre is asked, after how long at most it is asked again where that failed,
// and how often it is looked who is good no more.
const (
	Every      = 5 * time.Minute
	again      = time.Minute
	sweepEvery = 30 * time.Second
	swept      = 500 // people a statement
)

// LockReason is why an account is locked whose choice, or what was handed over of it, is over.
const LockReason = "regional"

// Known is what a province knows of a person already.
type Known struct {
	// Digest is of what was handed over, empty where that ended.
	Digest string
}

// Page is a piece of the people of a province, in the order of their names: those after one, up
// to another, to the end if that is empty.
type Page struct {
	After, Last authz.Subject
	// People are those whom the centre names of them.
	People []authz.Subject
}

// PeopleStore keeps what was handed over, at a province.
type PeopleStore interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
	// Known is what is there of people; who is in it has an account.
	Known(ctx context.Context, people []authz.Subject) (map[authz.Subject]Known, error)
	// Keep notes that the centre named people, unchanged, and until when that is good; no time
	// goes back.
	Keep(ctx context.Context, people []authz.Subject, seen, until time.Time) error
	// Put opens an account, or puts number and factors in the place of those that are there, in
	// the transaction of the context. authz.ErrConflict if another account has the number.
	Put(ctx context.Context, a identity.Account, number authz.PersonalNumber, digest string, until time.Time, factors ...authn.Held) error
	// End deletes number and factors, in the transaction of the context; authz.ErrConflict if that
	// was done.
	End(ctx context.Context, person authz.Subject) error
	// Over lists people of whom what was handed over is good no more.
	Over(ctx context.Context, now time.Time, limit int) ([]authz.Subject, error)
	// Unnamed lists those of a page whom the centre does not name and has not named since a
	// time, in the order of their names.
	Unnamed(ctx context.Context, page Page, since time.Time, limit int) ([]authz.Subject, error)
	// SaveKey keeps the sealed key of the province; SavedKey reads it, authz.ErrNotFound if
	// none came.
	SaveKey(ctx context.Context, centre federation.EntityID, sealed []byte, rule Rule, at time.Time) error
	SavedKey(ctx context.Context, centre federation.EntityID) (sealed []byte, rule Rule, err error)
}

// Accounts locks and unlocks accounts.
type Accounts interface {
	// SignOut ends the sessions and grants of a person.
	SignOut(ctx context.Context, person authz.Subject) error
	// Lock locks an account for a reason, whoever else has locked it; authz.ErrConflict if it
	// is locked for this one.
	Lock(ctx context.Context, person authz.Subject, reason string, at time.Time) error
	// Unlock takes the lock for a reason away; authz.ErrConflict if it is not there.
	Unlock(ctx context.Context, person authz.Subject, reason string) error
}

// Out posts a request and gives the body of the answer.
type Out interface {
	Post(ctx context.Context, m outbound.Message) (outbound.Answer, error)
}

// Feeder feeds a province. It is safe for concurrent use, also on several nodes.
type Feeder struct {
	Self, Centre federation.EntityID
	// Anchor is the one under which the centre is known.
	Anchor   federation.EntityID
	Ring     keys.Ring
	Resolver Resolver
	Out      Out
	Store    PeopleStore
	Accounts Accounts
	Evidence Evidence
	Now      func() time.Time
}

// Run asks the centre every [Every], and ends what is over, until ctx ends. The two do not wait
// for each other.
func (f *Feeder) Run(ctx context.Context) {
	var both sync.WaitGroup
	defer both.Wait()
	both.Go(func() { f.sweeping(ctx) })
	both.Go(func() { f.feeding(ctx) })
}

func (f *Feeder) sweeping(ctx context.Context) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			if err := f.Sweep(ctx); err != nil && ctx.Err() == nil {
				slog.Error("what was handed over could not be ended on its day; it is tried again", "error", err)
			}
		}
	}
}

func (f *Feeder) feeding(ctx context.Context) {
	ask := time.NewTimer(0)
	defer ask.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ask.C:
			err := f.Feed(ctx)
			pause := Every - Every/20 + rand.N(Every/10)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				pause = min(again, time.Second<<min(failures, 6))
				failures++
				slog.Warn("the centre could not be asked who chose this province; what was handed over is good until its day", "error", err)
			default:
				if failures > 0 {
					slog.Info("the centre says again who chose this province")
				}
				failures = 0
			}
			ask.Reset(pause)
		}
	}
}

// Feed asks the centre for all who chose this province. Who is not among them any more is ended
// with the page that would name her, whatever becomes of others.
func (f *Feeder) Feed(ctx context.Context) error {
	began, failed := f.Now(), error(nil)
	for after, more := authz.Subject(""), true; more; {
		a, err := f.ask(ctx, after)
		if err != nil {
			return errors.Join(failed, err)
		}
		if a.Rule != nil {
			if err := f.keepKey(ctx, a); err != nil {
				return err
			}
		}
		page := Page{After: after, People: make([]authz.Subject, len(a.People))}
		for i, p := range a.People {
			page.People[i] = p.Subject
		}
		if more = a.More && len(a.People) > 0; more {
			after = page.People[len(a.People)-1]
			page.Last = after
		}
		failed = errors.Join(failed, f.take(ctx, a, page), f.endUnnamed(ctx, page, began))
	}
	return failed
}

// endUnnamed ends those whom a page would name and does not.
func (f *Feeder) endUnnamed(ctx context.Context, page Page, since time.Time) error {
	var failed error
	for {
		gone, err := f.Store.Unnamed(ctx, page, since, swept)
		if err != nil {
			return errors.Join(failed, err)
		}
		failed = errors.Join(failed, f.end(ctx, gone))
		if len(gone) < swept {
			return failed
		}
		page.After = gone[len(gone)-1]
	}
}

// ask asks for the people after one.
func (f *Feeder) ask(ctx context.Context, after authz.Subject) (answer, error) {
	published, err := f.Ring.Published(keys.RequestDecryption)
	if err != nil {
		return answer{}, err
	}
	set, err := jose.MarshalSet(published)
	if err != nil {
		return answer{}, err
	}
	now := f.Now()
	q := request{claims{f.Self, f.Centre, now.Unix(), now.Add(life).Unix(), authz.NewID()}, after, json.RawMessage(set)}
	signed, err := jose.Sign(ctx, f.Ring, jose.Token{Use: keys.EntityStatement, Algorithm: keys.ES256, Type: requestType, Claims: q})
	if err != nil {
		return answer{}, err
	}
	e, err := f.Resolver.Resolve(f.Centre, f.Anchor)
	if err != nil {
		return answer{}, fmt.Errorf("the centre %s: %w", f.Centre, err)
	}
	own, err := statement.Parse(e.Chain[0])
	if err != nil {
		return answer{}, err
	}
	message := outbound.Message{URL: string(f.Centre) + Path, Type: MediaType, Body: signed[0], Accept: AnswerMedia, Limit: maxAnswer}
	got, err := f.Out.Post(ctx, message)
	switch {
	case err != nil:
		return answer{}, err
	case got.Status != http.StatusOK:
		return answer{}, fmt.Errorf("the centre answered %d: %.300q", got.Status, got.Body)
	}
	plain, err := jose.Decrypt(ctx, f.Ring, string(got.Body), maxAnswer)
	if err != nil {
		return answer{}, fmt.Errorf("the answer of the centre: %w", err)
	}
	a, err := readAnswer(plain, own.Keys)
	if err == nil {
		err = a.check(f.Centre, f.Self, f.Now())
	}
	switch {
	case err != nil:
		return a, fmt.Errorf("the answer of the centre: %w", err)
	case a.ID != q.ID:
		return a, errors.New("the answer of the centre is to another request")
	case (a.Rule != nil) != (after == "") || len(a.People) > 0 && a.People[0].Subject <= after:
		return a, errors.New("the answer of the centre is of another page")
	}
	return a, nil
}

// keyAAD binds the sealed key of a province to its centre.
func keyAAD(centre federation.EntityID) []byte { return []byte("key of a province " + string(centre)) }

// keepKey keeps the key of the province, which never changes.
func (f *Feeder) keepKey(ctx context.Context, a answer) error {
	key, err := a.key()
	if err != nil {
		return fmt.Errorf("the answer of the centre: %w", err)
	}
	sealed, err := f.Ring.Seal(ctx, key, keyAAD(f.Centre))
	if err != nil {
		return err
	}
	return f.Store.SaveKey(ctx, f.Centre, sealed, *a.Rule, f.Now())
}

// take does what a page says of people. One of whom it cannot be done keeps the others from
// nothing.
func (f *Feeder) take(ctx context.Context, a answer, page Page) error {
	known, err := f.Store.Known(ctx, page.People)
	if err != nil {
		return err
	}
	var same, gone []authz.Subject
	var failed error
	for _, p := range a.People {
		k, there := known[p.Subject]
		switch {
		case p.Locked && k.Digest != "":
			gone = append(gone, p.Subject)
		case p.Locked:
		case there && k.Digest == p.digest():
			same = append(same, p.Subject)
		default:
			failed = errors.Join(failed, f.put(ctx, p, k, time.Unix(a.Until, 0)))
		}
	}
	return errors.Join(failed, f.Store.Keep(ctx, same, f.Now(), time.Unix(a.Until, 0)), f.end(ctx, gone))
}

// put takes what is new of a person.
func (f *Feeder) put(ctx context.Context, p person, k Known, until time.Time) error {
	seed, err := f.Ring.Seal(ctx, p.Seed, authn.SeedAAD(p.Subject))
	if err != nil {
		return err
	}
	account := identity.Account{Subject: p.Subject, Kind: p.Kind, Person: authz.PersonID(p.Subject), Level: p.Level, Created: f.Now()}
	return f.Store.Tx(ctx, func(ctx context.Context) error {
		acts := []audit.Act{{Action: audit.RegionalReceived, Subject: p.Subject, Detail: audit.Detail{Object: string(f.Centre)}}}
		if k.Digest != "" { // another password ends what began by the one before
			if err := f.Accounts.SignOut(ctx, p.Subject); err != nil {
				return err
			}
		}
		err := f.Store.Put(ctx, account, authz.PersonalNumber(p.Number), p.digest(), until,
			authn.Held{ID: authn.FactorID(authz.NewID()), Kind: authn.PasswordFactor, Secret: []byte(p.Password)},
			authn.Held{ID: authn.FactorID(authz.NewID()), Kind: authn.TOTPFactor, Secret: seed, Counter: p.Step})
		if err != nil {
			return err
		}
		switch err := f.Accounts.Unlock(ctx, p.Subject, LockReason); { // an operator's lock stays
		case err == nil:
			acts = append(acts, audit.Act{Action: audit.AccountUnlock, Subject: p.Subject})
		case !errors.Is(err, authz.ErrConflict):
			return err
		}
		_, err = f.Evidence.Write(ctx, acts...)
		return err
	})
}

// Sweep ends what is good no more.
func (f *Feeder) Sweep(ctx context.Context) error {
	for {
		over, err := f.Store.Over(ctx, f.Now(), swept)
		if err == nil {
			err = f.end(ctx, over)
		}
		if err != nil || len(over) < swept {
			return err
		}
	}
}

// end ends people, each in a transaction of its own: sessions and grants end, the account is
// locked, and what was handed over is deleted.
func (f *Feeder) end(ctx context.Context, people []authz.Subject) error {
	var failed error
	for _, who := range people {
		err := f.Store.Tx(ctx, func(ctx context.Context) error {
			if err := f.Accounts.SignOut(ctx, who); err != nil {
				return err
			}
			locked := f.Accounts.Lock(ctx, who, LockReason, f.Now())
			if locked != nil && !errors.Is(locked, authz.ErrConflict) {
				return locked
			}
			if err := f.Store.End(ctx, who); err != nil {
				return err
			}
			if locked != nil { // another node had locked her
				return nil
			}
			_, err := f.Evidence.Write(ctx, audit.Act{Action: audit.AccountLock, Subject: who})
			return err
		})
		if !errors.Is(err, authz.ErrConflict) { // else another node did
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// Served knows which sectors a province names people in. It is safe for concurrent use.
type Served struct {
	Centre federation.EntityID
	Store  PeopleStore
	Ring   interface {
		Open(ctx context.Context, sealed, aad []byte) (plaintext []byte, stale bool, err error)
	}
	Now func() time.Time
}

var _ identity.Regions = (*Served)(nil)

// ErrSector means that an app is of a sector that the province does not serve.
var ErrSector = errors.New("the province serves no apps of this sector")

// Regional is what pseudonyms of a sector are derived with; ErrSector for one that is not
// served, and for all before the centre was asked once.
func (s *Served) Regional(ctx context.Context, sector string) (identity.Region, bool, error) {
	sealed, rule, err := s.Store.SavedKey(ctx, s.Centre)
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return identity.Region{}, false, fmt.Errorf("%w: the centre has handed over no key yet", ErrSector)
	case err != nil:
		return identity.Region{}, false, err
	case !Under(sector, rule.Domains) || slices.Contains(rule.Before, sector) || s.Now().Before(rule.Since):
		return identity.Region{}, false, fmt.Errorf("%w: %q is not below its domains, or was in use before", ErrSector, sector)
	}
	key, _, err := s.Ring.Open(ctx, sealed, keyAAD(s.Centre))
	return identity.Region{Key: key}, err == nil, err
}
