package regional_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/regional"
	"hopnhat/federation/resolver"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestNothingHanded: of who holds no one-time code nothing is handed over, and no event says so;
// when something is, later, one does.
func TestNothingHanded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an, there := w.chose(t, 1)
		c, err := w.at.Credentials(t.Context(), number(1))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range c.Factors {
			if f.Kind == authn.TOTPFactor {
				if err := w.at.Writer(t.Context()).Exec("UPDATE factors SET disabled_at = ? WHERE id = ?", w.now.UTC(), string(f.ID)).Error; err != nil {
					t.Fatal(err)
				}
			}
		}
		w.feed(t)
		if w.can(t, 1) || w.pens[centre].wrote(audit.RegionalHanded, an) != 0 || w.pens[danang].wrote(audit.RegionalReceived, there) != 0 {
			t.Errorf("nothing was handed over, and it is recorded: %v", w.pens[centre].acts)
		}
		if err := w.at.Writer(t.Context()).Exec("UPDATE factors SET disabled_at = NULL").Error; err != nil {
			t.Fatal(err)
		}
		w.feed(t)
		if !w.can(t, 1) || w.pens[centre].wrote(audit.RegionalHanded, an) != 1 {
			t.Errorf("what was handed over is not recorded: %v", w.pens[centre].acts)
		}
	})
}

// TestOneWhoCannotBeTaken: somebody whose number another account of the province has is not
// taken, and the withdrawals of others arrive all the same; she herself is not ended for it.
func TestOneWhoCannotBeTaken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for i := range 3 {
			w.chose(t, i)
		}
		chi, _ := w.chose(t, 5)
		w.feed(t)
		account := identity.Account{Subject: "another", Kind: authz.Citizen, Person: "another", Level: 2, Created: w.now}
		if err := db.InsertAccount(t.Context(), account, number(6)); err != nil {
			t.Fatal(err)
		}
		w.chose(t, 6)
		if err := w.choices.Withdraw(t.Context(), chi, danang); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Minute)
		if err := w.feeder.Feed(t.Context()); err == nil {
			t.Fatal("two accounts have one number")
		}
		if w.can(t, 5) || !w.can(t, 0) || !w.can(t, 1) || !w.can(t, 2) {
			t.Error("the withdrawal waits for another person, or others were ended")
		}
	})
}

// slow is a database of the centre that tells who chose a province when it is told to.
type slow struct {
	regional.ChoiceStore
	asked   chan<- struct{}
	proceed <-chan struct{}
}

func (s slow) People(ctx context.Context, p federation.EntityID, after authz.Subject, limit int) ([]regional.Chosen, error) {
	s.asked <- struct{}{}
	<-s.proceed
	return s.ChoiceStore.People(ctx, p, after, limit)
}

// TestWhoTakesAPlace: a request takes a place among those that are answered when its signature
// was verified, and a province has one place.
func TestWhoTakesAPlace(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, nil))
	w.chose(t, 1)
	w.feed(t)
	good := w.sent[0]
	asked, proceed := make(chan struct{}), make(chan struct{})
	now := func() time.Time { return w.now }
	at := regional.NewCentre(
		centre, w.names, slow{w.at.Regional, asked, proceed}, w.pens[centre], w.grounds(t), w.rings[centre], w, now,
	)
	post := func(body string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, regional.Path, strings.NewReader(body))
		r.Header.Set("Content-Type", regional.MediaType)
		answer := httptest.NewRecorder()
		at.ServeHTTP(answer, r)
		return answer.Code
	}
	first := make(chan int)
	go func() { first <- post(good) }()
	<-asked
	for _, row := range []struct {
		name, body string
		want       int
	}{
		{"what is no request", "e30.e30.e30", http.StatusBadRequest},
		{"a request that was changed", good[:len(good)-9] + "AAAAAAAAA", http.StatusForbidden},
		{"a second one of the province", good, http.StatusServiceUnavailable},
	} {
		if got := post(row.body); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
	close(proceed)
	if got := <-first; got != http.StatusOK {
		t.Errorf("the first one: %d", got)
	}
	go func() { first <- post(good) }()
	<-asked
	if got := <-first; got != http.StatusOK {
		t.Errorf("when its place is free: %d", got)
	}
}

// silent is a centre that does not answer before the request is given up.
type silent struct{}

func (silent) Post(ctx context.Context, _ outbound.Message) (outbound.Answer, error) {
	<-ctx.Done()
	return outbound.Answer{}, ctx.Err()
}

// looked is a database of a province that tells when it is asked who is good no more.
type looked struct {
	regional.PeopleStore
	over chan<- struct{}
}

func (l looked) Over(context.Context, time.Time, int) ([]authz.Subject, error) {
	l.over <- struct{}{}
	return nil, nil
}

// constant is a resolver with one answer.
type constant struct{ entry *resolver.Entry }

func (c constant) Resolve(federation.EntityID, ...federation.EntityID) (*resolver.Entry, error) {
	return c.entry, nil
}

// TestTheEndWaitsForNobody: who is good no more is looked for while the centre lets an answer wait.
func TestTheEndWaitsForNobody(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, nil))
	known := constant{w.known[centre]}
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		f := &regional.Feeder{
			Self: danang, Centre: centre, Anchor: anchor, Ring: w.rings[danang], Resolver: known, Out: silent{},
			Store: looked{w.feeder.Store, over}, Now: w.feeder.Now,
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { f.Run(ctx); close(ended) }()
		for range 3 {
			<-over
		}
		cancel()
		<-ended
	})
}

// TestVersionsOfTheFuture: a version that nobody gave, at the centre or at the province, stops no
// lock from arriving.
func TestVersionsOfTheFuture(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const future = int64(1) << 62
		w := newWorldAt(t, db, storetest.SQLite(t, nil))
		an, _ := w.chose(t, 1)
		binh, _ := w.chose(t, 2)
		w.feed(t)
		for _, query := range []string{
			"UPDATE regional_changes SET version = ? WHERE person = (SELECT min(person) FROM regional_changes)",
			"UPDATE regional_heads SET version = ?",
		} {
			if err := db.Writer(t.Context()).Exec(query, future).Error; err != nil {
				t.Fatal(err)
			}
		}
		if err := w.there.Writer(t.Context()).Exec("UPDATE regional_feeds SET version = ?", future).Error; err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Minute)
		w.feed(t)
		for i, who := range []authz.Subject{an, binh} {
			if err := w.at.Lock(t.Context(), who, "operator", w.now); err != nil {
				t.Fatal(err)
			}
			w.now = w.now.Add(time.Minute)
			w.feed(t)
			if w.can(t, i+1) {
				t.Errorf("the lock of person %d did not arrive", i+1)
			}
		}
	})
}

// TestOneWithoutANumber: somebody of whom not all is there keeps no other from coming.
func TestOneWithoutANumber(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, nil))
	an, _ := w.chose(t, 1)
	w.chose(t, 2)
	if err := w.at.Writer(t.Context()).Exec("DELETE FROM identifiers WHERE subject = ?", string(an)).Error; err != nil {
		t.Fatal(err)
	}
	w.feed(t)
	if w.can(t, 1) || !w.can(t, 2) || w.pens[centre].wrote(audit.RegionalHanded, an) != 0 {
		t.Error("who has no number can sign in, or keeps another from coming")
	}
}
