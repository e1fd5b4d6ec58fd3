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

// How often the centre is asked, after how long at most it is asked again where that failed, how
// often it is asked for all, and how often it is looked who is good no more.
const (
	Every      = 5 * time.Minute
	again      = time.Minute
	allEvery   = 24 * time.Hour
	sweepEvery = 30 * time.Second
	swept      = 500 // people a statement
)

// LockReason is why an account is locked whose choice, or what was handed over of it, is over.
const LockReason = "regional"

// Known is what a province knows of a person already.
type Known struct {
	// Digest is of what was handed over, empty where that ended.
	Digest string
	// Version is when that changed, as the centre counts.
	Version int64
}

// ErrStale means that what is there is newer than what was to take its place.
var ErrStale = errors.New("what is there of the person is newer")

// Told is up to where the centre has told a province everything.
type Told struct {
	// Version is zero where nothing is known of that.
	Version int64
	// Generation changes where something was ended at the province of which the centre knows
	// nothing.
	Generation int64
}

// Page is a piece of the people of a province, in the order of their names: those after one, up
// to another, to the end if that is empty.
type Page struct {
	After, Last authz.Subject
	// Version is one at which they are those, and all before.
	Version int64
	// People are those whom the centre names of them.
	People []authz.Subject
}

// PeopleStore keeps what was handed over, at a province.
type PeopleStore interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
	// Known is what is there of people; who is in it has an account.
	Known(ctx context.Context, people []authz.Subject) (map[authz.Subject]Known, error)
	// Keep notes that the centre named people, unchanged at a version, and until when that is
	// good; no version and no time goes back.
	Keep(ctx context.Context, people []authz.Subject, version int64, seen, until time.Time) error
	// Put opens an account, or puts number and factors in the place of those that are there, in
	// the transaction of the context. authz.ErrConflict if another account has the number;
	// ErrStale if what is there has a later version.
	Put(ctx context.Context, a identity.Account, number authz.PersonalNumber, said Known, until time.Time, factors ...authn.Held) error
	// End deletes number and factors, in the transaction of the context; authz.ErrConflict if that
	// was done, or they have a later version.
	End(ctx context.Context, person authz.Subject, version int64) error
	// EndOver does so if they are good no more at a time; authz.ErrConflict if they are, or are
	// gone. It changes the generation of what was told.
	EndOver(ctx context.Context, person authz.Subject, now time.Time) error
	// Over lists people of whom what was handed over is good no more.
	Over(ctx context.Context, now time.Time, limit int) ([]authz.Subject, error)
	// Unnamed lists those of a page whom the centre does not name and who have no later
	// version, in the order of their names.
	Unnamed(ctx context.Context, page Page, limit int) ([]authz.Subject, error)
	// Told reads up to where the centre has told everything. SaveTold notes it, and until when
	// all is good that was told; authz.ErrConflict if the generation is another.
	Told(ctx context.Context, centre federation.EntityID) (Told, error)
	SaveTold(ctx context.Context, centre federation.EntityID, told Told, until time.Time) error
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
	// Logs is the log of the province, which the centre joins to its own; nil sends nothing.
	Logs Logs
	Now  func() time.Time

	mu   sync.Mutex
	all  time.Time // when a round began in which all was taken; zero if the next one asks for all
	rule string    // the digest of the key and the rule that came
	// Up to where the centre holds the log, and to which keys the rest is encrypted.
	held       map[string]uint64
	centreKeys json.RawMessage
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

// errOlder means that the centre knows less than this province was told: it has an older copy of
// its database.
var errOlder = errors.New("the centre knows less than this province was told")

// Feed asks the centre what changed, and ends whom it does not name any more; then it sends what
// the centre does not have of the log yet.
func (f *Feeder) Feed(ctx context.Context) error {
	fed := f.feed(ctx)
	return errors.Join(fed, f.tell(ctx))
}

// feed asks the centre what changed, and ends whom it does not name any more. It asks for all at
// the start, once a day, and after a round in which something could not be taken. What could
// not be taken of one person delays nothing of another.
func (f *Feeder) feed(ctx context.Context) error {
	told, err := f.Store.Told(ctx, f.Centre)
	if err != nil {
		return err
	}
	if now := f.Now(); told.Version > 0 && told.Version <= LatestVersion(now) && !f.allDue(now) {
		if err = f.feedChanges(ctx, told); !errors.Is(err, errOlder) {
			return err
		}
		slog.WarnContext(ctx, "the centre knows less than this province was told, and is asked for all", "centre", f.Centre)
	}
	return f.feedAll(ctx, told)
}

// allDue reports whether the next round asks for all.
func (f *Feeder) allDue(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all.IsZero() || !now.Before(f.all.Add(allEvery))
}

// asked notes when all was taken; the zero time is a round in which it was not.
func (f *Feeder) asked(all time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = all
}

// feedChanges asks for what changed after a version.
func (f *Feeder) feedChanges(ctx context.Context, told Told) error {
	failed, since := error(nil), told.Version
	for more := true; more; {
		a, err := f.ask(ctx, request{Since: since})
		if err != nil {
			return errors.Join(failed, err)
		}
		if a.Version < since {
			return errOlder
		}
		if err := f.take(ctx, a); err != nil {
			failed = errors.Join(failed, err)
			f.asked(time.Time{})
		}
		told.Version, more = max(told.Version, a.Version), a.More
		if n := len(a.People); n > 0 {
			since = a.People[n-1].Version
			told.Version = max(told.Version, since)
		}
		if !more && failed == nil {
			return f.save(ctx, told, a)
		}
	}
	return failed
}

// feedAll asks for all who chose this province.
func (f *Feeder) feedAll(ctx context.Context, told Told) error {
	f.asked(time.Time{})
	began, failed := f.Now(), error(nil)
	told.Version = -1
	for after, more := authz.Subject(""), true; more; {
		a, err := f.ask(ctx, request{After: after})
		if err != nil {
			return errors.Join(failed, err)
		}
		if told.Version < 0 { // what changes while pages come has a later version
			told.Version = a.Version
		}
		page := Page{After: after, Version: a.Version, People: names(a.People)}
		if more = a.More; more {
			after = page.People[len(page.People)-1]
			page.Last = after
		}
		failed = errors.Join(failed, f.take(ctx, a), f.endUnnamed(ctx, page))
		if !more && failed == nil {
			f.asked(began)
			return f.save(ctx, told, a)
		}
	}
	return failed
}

// save notes up to where everything was taken. Where something was ended here meanwhile, since its
// days were over, the next round asks for all.
func (f *Feeder) save(ctx context.Context, told Told, last answer) error {
	err := f.Store.SaveTold(ctx, f.Centre, told, time.Unix(last.Until, 0))
	if errors.Is(err, authz.ErrConflict) {
		return nil
	}
	return err
}

func names(people []person) []authz.Subject {
	out := make([]authz.Subject, len(people))
	for i, p := range people {
		out[i] = p.Subject
	}
	return out
}

// endUnnamed ends those whom a page would name and does not.
func (f *Feeder) endUnnamed(ctx context.Context, page Page) error {
	var failed error
	for {
		gone, err := f.Store.Unnamed(ctx, page, swept)
		if err != nil {
			return errors.Join(failed, err)
		}
		for _, who := range gone {
			failed = errors.Join(failed, f.end(ctx, who, func(ctx context.Context) error { return f.Store.End(ctx, who, page.Version) }))
		}
		if len(gone) < swept {
			return failed
		}
		page.After = gone[len(gone)-1]
	}
}

// ask sends a request, which has the person or the version after which it asks, and takes the key
// and the rule out of the answer.
func (f *Feeder) ask(ctx context.Context, q request) (answer, error) {
	f.mu.Lock()
	q.Rule = f.rule
	f.mu.Unlock()
	published, err := f.Ring.Published(keys.RequestDecryption)
	if err != nil {
		return answer{}, err
	}
	set, err := jose.MarshalSet(published)
	if err != nil {
		return answer{}, err
	}
	now := f.Now()
	q.claims, q.Keys = claims{f.Self, f.Centre, now.Unix(), now.Add(life).Unix(), authz.NewID()}, set
	signed, err := f.sign(ctx, requestType, q)
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
	got, err := f.post(ctx, MediaType, signed)
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
	if err != nil {
		return a, fmt.Errorf("the answer of the centre: %w", err)
	}
	if err := a.answers(q, f.Now()); err != nil {
		return a, err
	}
	f.mu.Lock()
	f.held, f.centreKeys = map[string]uint64{}, a.Keys
	for _, l := range a.Logs {
		f.held[l.Origin] = l.Size
	}
	f.mu.Unlock()
	if a.Rule == nil {
		return a, nil
	}
	return a, f.keepKey(ctx, a)
}

// sign signs what is sent to the centre.
func (f *Feeder) sign(ctx context.Context, kind string, said any) (string, error) {
	signed, err := jose.Sign(ctx, f.Ring, jose.Token{Use: keys.EntityStatement, Algorithm: keys.ES256, Type: kind, Claims: said})
	if err != nil {
		return "", err
	}
	return signed[0], nil
}

func (f *Feeder) post(ctx context.Context, media, body string) (outbound.Answer, error) {
	message := outbound.Message{URL: string(f.Centre) + Path, Type: media, Body: body, Accept: AnswerMedia, Limit: maxAnswer}
	return f.Out.Post(ctx, message)
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
	if err := f.Store.SaveKey(ctx, f.Centre, sealed, *a.Rule, f.Now()); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule = a.Rule.digest(a.Key)
	return nil
}

// take does what a page says of people. One of whom it cannot be done keeps the others from
// nothing. Of a person it does nothing that is older than what is there.
func (f *Feeder) take(ctx context.Context, a answer) error {
	known, err := f.Store.Known(ctx, names(a.People))
	if err != nil {
		return err
	}
	same := map[int64][]authz.Subject{} // by their versions, of which a page of all has one
	var failed error
	for _, p := range a.People {
		k, err := known[p.Subject], error(nil)
		switch over := p.Locked || p.Gone; {
		case k.Version > p.Version || over && k.Digest == "":
		case over:
			err = f.end(ctx, p.Subject, func(ctx context.Context) error { return f.Store.End(ctx, p.Subject, p.Version) })
		case k.Digest == p.digest():
			same[p.Version] = append(same[p.Version], p.Subject)
		default:
			if err = f.put(ctx, p, k, time.Unix(a.Until, 0)); errors.Is(err, ErrStale) {
				err = nil
			}
		}
		failed = errors.Join(failed, err)
	}
	for version, people := range same {
		failed = errors.Join(failed, f.Store.Keep(ctx, people, version, f.Now(), time.Unix(a.Until, 0)))
	}
	return failed
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
		err := f.Store.Put(ctx, account, authz.PersonalNumber(p.Number), Known{p.digest(), p.Version}, until,
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
		now := f.Now()
		over, err := f.Store.Over(ctx, now, swept)
		for _, who := range over {
			err = errors.Join(err, f.end(ctx, who, func(ctx context.Context) error { return f.Store.EndOver(ctx, who, now) }))
		}
		if err != nil || len(over) < swept {
			return err
		}
	}
}

// end ends a person in one transaction: sessions and grants end, the account is locked, and what
// was handed over is deleted, if it is still there and not newer.
func (f *Feeder) end(ctx context.Context, who authz.Subject, deleted func(ctx context.Context) error) error {
	err := f.Store.Tx(ctx, func(ctx context.Context) error {
		if err := f.Accounts.SignOut(ctx, who); err != nil {
			return err
		}
		locked := f.Accounts.Lock(ctx, who, LockReason, f.Now())
		if locked != nil && !errors.Is(locked, authz.ErrConflict) {
			return locked
		}
		if err := deleted(ctx); err != nil || locked != nil { // another node had locked her
			return err
		}
		_, err := f.Evidence.Write(ctx, audit.Act{Action: audit.AccountLock, Subject: who})
		return err
	})
	if errors.Is(err, authz.ErrConflict) { // another node did, or she was told anew
		return nil
	}
	return err
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
