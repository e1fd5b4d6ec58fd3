package registrar_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/consent"
	"hopnhat/authz/protocol"
	apps "hopnhat/authz/registration"
	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/registrar"
	"hopnhat/federation/registration"
	"hopnhat/federation/trust"
	"hopnhat/keys/jose"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

type claims = federationtest.Claims

const self = "https://id.example.vn"

// office is a registrar on a real store, with a clock to turn and a resolver that knows what a
// test tells it.
type office struct {
	*registrar.Registrar
	db  *store.DB
	now time.Time

	anchor, province, other, provider, app, key *federationtest.Entity
	anchors                                     []trust.Anchor

	mu      sync.Mutex
	known   map[federation.EntityID]trust.Verdict
	events  []audit.Event
	changed []authz.ClientID
	fail    error
	pace    func() time.Duration
	listed  atomic.Int32 // how often all apps were read
}

// counting counts how often all apps are read.
type counting struct {
	*store.DB
	listed *atomic.Int32
}

func (c counting) Clients(ctx context.Context, after authz.ClientID, limit int) ([]*authz.Client, error) {
	c.listed.Add(1)
	return c.DB.Clients(ctx, after, limit)
}

// rows keeps events in the database, and remembers them.
type rows struct {
	*store.DB
	o *office
}

func (r rows) Record(ctx context.Context, events ...audit.Sealed) error {
	if r.o.fail != nil {
		return r.o.fail
	}
	if err := r.DB.Record(ctx, events...); err != nil {
		return err
	}
	r.o.mu.Lock()
	defer r.o.mu.Unlock()
	for _, e := range events {
		r.o.events = append(r.o.events, e.Event)
	}
	return nil
}

func (o *office) Resolved(id federation.EntityID, _ ...federation.EntityID) (trust.Verdict, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v, ok := o.known[id]
	return v, ok
}

func newOffice(t *testing.T, db *store.DB) *office {
	t.Helper()
	o := &office{
		db: db, now: federationtest.Now, known: map[federation.EntityID]trust.Verdict{},
		anchor: federationtest.New(t, "https://neo.example.vn"), province: federationtest.New(t, "https://tinh.example.vn"),
		other: federationtest.New(t, "https://neo-hai.example.vn"), provider: federationtest.New(t, self),
		app: federationtest.New(t, "https://app.tinh.example.vn"), key: federationtest.New(t, "https://khong.example.vn"),
	}
	o.anchors = []trust.Anchor{{ID: o.anchor.ID, Keys: o.anchor.Set(t)}, {ID: o.other.ID, Keys: o.other.Set(t)}}
	o.Registrar = o.node()
	return o
}

// node is one more node on the same database.
func (o *office) node() *registrar.Registrar {
	return registrar.New(registrar.Options{
		Self: self, Store: counting{o.db, &o.listed}, Resolver: o, Evidence: &audit.Scribe{Rows: rows{o.db, o}, Site: "dc1"},
		Rules: registration.Rules{
			Anchors: o.anchors, Let: apps.Policy{Profile: authz.FAPI2}, Checks: apps.Rules{Catalogue: consent.Load()},
		},
		Changed: func(id authz.ClientID) { o.mu.Lock(); defer o.mu.Unlock(); o.changed = append(o.changed, id) },
		Pace:    o.pace, Now: func() time.Time { return o.now },
	})
}

// chain is that of the app, issued now, with changes of its metadata.
func (o *office) chain(t *testing.T, changes claims) []string {
	t.Helper()
	metadata := claims{
		"client_registration_types": []string{"automatic"}, "client_name": "Cổng dịch vụ", "jwks": o.key.JWKS(t),
		"redirect_uris": []string{"https://app.tinh.example.vn/cb"},
	}
	maps.Copy(metadata, changes)
	maps.DeleteFunc(metadata, func(_ string, v any) bool { return v == nil })
	times := func(more claims) claims {
		all := claims{"iat": o.now.Unix(), "exp": o.now.Add(time.Hour).Unix()}
		maps.Copy(all, more)
		return all
	}
	return []string{
		o.app.Configuration(t, times(claims{
			"authority_hints": []federation.EntityID{o.province.ID}, "metadata": claims{"openid_relying_party": metadata},
		})),
		o.province.About(t, o.app, times(claims{"metadata": claims{"openid_relying_party": claims{"organization_name": "Sở Nội vụ"}}})),
		o.anchor.About(t, o.province, times(nil)),
	}
}

// resolve makes the resolver know a chain of the app.
func (o *office) resolve(t *testing.T, chain []string) {
	t.Helper()
	v := trust.Verify(chain, o.anchors, o.now)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known[o.app.ID] = v
}

// revoke makes the resolver know that the app is trusted no more: what was stated of it has
// ended, and is not stated anew.
func (o *office) revoke(t *testing.T) {
	t.Helper()
	v := trust.Verify(o.chain(t, nil), o.anchors, o.now.Add(10*time.Hour))
	if v.Valid() {
		t.Fatal("it is trusted after its end")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known[o.app.ID] = v
}

func (o *office) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.known)
}

func (o *office) id() authz.ClientID { return authz.ClientID(o.app.ID) }

// actions are those that were recorded since the last look.
func (o *office) actions() (list []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.events {
		list = append(list, e.Detail.Action)
	}
	o.events = nil
	return list
}

func (o *office) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := o.actions(); !slices.Equal(got, want) {
		t.Errorf("recorded %v, want %v", got, want)
	}
}

func refusedBy(t *testing.T, err error, code authz.Code, says string) {
	t.Helper()
	said := (*authz.Error)(nil)
	if !errors.As(err, &said) || said.Code != code || !strings.Contains(said.Error(), says) ||
		!strings.HasPrefix(said.Clause, "OpenID Federation 1.0 §") {
		t.Errorf("got %v, want %s that says %q", err, code, says)
	}
	if !errors.Is(err, clientauth.ErrUnknownClient) {
		t.Errorf("%v is no unknown client", err)
	}
}

// TestLife: from the first use of a chain to the withdrawal of trust, with and without a
// resolver, on both databases.
func TestLife(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, ctx := newOffice(t, db), t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Run("nobody knows it", func(t *testing.T) {
			_, err := o.Client(ctx, o.id())
			refusedBy(t, err, authz.InvalidTrustChain, "trust_chain")
			o.expect(t)
		})
		first, moved := o.chain(t, nil), claims{"redirect_uris": []string{"https://app.tinh.example.vn/moi"}}
		t.Run("it is registered at the first use of its chain, with one event that names the anchor", func(t *testing.T) {
			must(o.Introduce(ctx, o.id(), first, nil))
			if len(o.events) != 1 || !slices.Contains(o.events[0].Decision.Determining, "federation:https://neo.example.vn") {
				t.Errorf("got %+v", o.events)
			}
			var named []string
			for _, e := range o.events {
				named = append(named, e.Decision.Determining...)
			}
			o.expect(t, "client.registered")
			c, err := o.Client(ctx, o.id())
			must(err)
			if c.Membership.Chain == "" || !slices.Contains(named, "federation-chain:"+c.Membership.Chain) {
				t.Errorf("its event names %q, and the chain is %q", named, c.Membership.Chain)
			}
			if c.Membership.Anchor != string(o.anchor.ID) || c.Owner.VI != "Sở Nội vụ" || !c.Verified.Holds() || c.CreatedAt.IsZero() {
				t.Errorf("got %+v", c)
			}
			if seen, err := db.Client(ctx, o.id()); err != nil || seen.Membership != c.Membership {
				t.Errorf("read as any client: %+v, %v", seen, err)
			}
		})
		t.Run("the same chain again writes nothing, here and at another node", func(t *testing.T) {
			must(o.Introduce(ctx, o.id(), first, nil))
			must(o.node().Introduce(ctx, o.id(), first, nil))
			o.expect(t)
		})
		o.now = o.now.Add(time.Minute)
		second := o.chain(t, nil)
		t.Run("a newer chain is kept without an event", func(t *testing.T) {
			before, err := o.Client(ctx, o.id())
			must(err)
			must(o.Introduce(ctx, o.id(), second, nil))
			after, err := o.Client(ctx, o.id())
			must(err)
			if !after.Membership.Expires.After(before.Membership.Expires) {
				t.Errorf("it ends at %v, before it was %v", after.Membership.Expires, before.Membership.Expires)
			}
			o.expect(t)
		})
		t.Run("other metadata are an event", func(t *testing.T) {
			o.now = o.now.Add(time.Minute)
			must(o.Introduce(ctx, o.id(), o.chain(t, moved), nil))
			o.expect(t, "client.updated")
			c, err := o.Client(ctx, o.id())
			must(err)
			if c.RedirectURIs[0] != "https://app.tinh.example.vn/moi" || c.Sector != "app.tinh.example.vn" {
				t.Errorf("got %v in sector %s", c.RedirectURIs, c.Sector)
			}
		})
		t.Run("OpenID Connect Core §8.1: another host would be another sector", func(t *testing.T) {
			o.now = o.now.Add(time.Minute)
			refusedBy(t, o.Introduce(ctx, o.id(), o.chain(t, claims{"redirect_uris": []string{"https://khac.example.vn/cb"}}), nil),
				authz.InvalidMetadata, "another host")
			o.expect(t)
		})
		t.Run("an older chain that is sent again changes nothing", func(t *testing.T) {
			must(o.node().Introduce(ctx, o.id(), first, nil))
			o.expect(t)
			if c, err := o.Client(ctx, o.id()); err != nil || c.RedirectURIs[0] != "https://app.tinh.example.vn/moi" {
				t.Errorf("got %+v, %v", c, err)
			}
		})
		t.Run("it is refused from the end of its chain on", func(t *testing.T) {
			o.now = o.now.Add(time.Hour)
			_, err := o.Client(ctx, o.id())
			refusedBy(t, err, authz.InvalidTrustChain, "has ended")
			if c, err := db.Client(ctx, o.id()); err != nil || !c.Membership.Lapsed(o.now) {
				t.Errorf("got %+v, %v", c, err)
			}
			o.expect(t)
		})
		t.Run("it comes back as the resolver found it, without a chain of its own", func(t *testing.T) {
			o.resolve(t, o.chain(t, moved))
			_, err := o.Client(ctx, o.id())
			must(err)
			o.expect(t)
		})
		last := o.chain(t, nil)
		t.Run("it ends with an event when trust is withdrawn", func(t *testing.T) {
			o.now = o.now.Add(time.Minute)
			o.revoke(t)
			_, err := o.Client(ctx, o.id())
			refusedBy(t, err, authz.InvalidTrustChain, "")
			o.expect(t, "client.trust-ended")
			_, err = o.Client(ctx, o.id())
			refusedBy(t, err, authz.InvalidTrustChain, "")
			o.expect(t)
		})
		t.Run("no chain of before the withdrawal undoes it", func(t *testing.T) {
			node := o.node()
			must(node.Introduce(ctx, o.id(), last, nil)) // the resolver knows better, so it is not looked at
			_, err := node.Client(ctx, o.id())
			refusedBy(t, err, authz.InvalidTrustChain, "")
			o.forget()
			refusedBy(t, o.node().Introduce(ctx, o.id(), last, nil), authz.InvalidTrustChain, "withdrawn its trust in this app")
			o.expect(t)
		})
		t.Run("a newer word of the superior does", func(t *testing.T) {
			o.now = o.now.Add(time.Minute)
			must(o.Introduce(ctx, o.id(), o.chain(t, moved), nil))
			o.expect(t, "client.trust-restored")
			_, err := o.Client(ctx, o.id())
			must(err)
		})
		t.Run("an operator's word is stronger", func(t *testing.T) {
			c, err := db.Client(ctx, o.id())
			must(err)
			c.Disabled = true
			must(db.SaveClient(ctx, c))
			o.now = o.now.Add(time.Minute)
			must(o.Introduce(ctx, o.id(), o.chain(t, claims{"client_name": "Tên mới"}), nil))
			o.expect(t)
			if c, err := o.Client(ctx, o.id()); err != nil || !c.Disabled || c.Name.VI != "Cổng dịch vụ" {
				t.Errorf("got %+v, %v", c, err)
			}
		})
	})
}

// TestRefused: chains that are sent and let nobody in; nothing is written or fetched.
func TestRefused(t *testing.T) {
	o := newOffice(t, storetest.SQLite(t, nil))
	stranger := federationtest.New(t, "https://la.example.vn")
	good := o.chain(t, nil)
	peer := func(anchor *federationtest.Entity, of *federationtest.Entity) []string {
		return []string{of.Configuration(t, claims{"authority_hints": []federation.EntityID{anchor.ID}}), anchor.About(t, of, nil)}
	}
	for _, row := range []struct {
		name        string
		id          authz.ClientID
		chain, peer []string
		code        authz.Code
		says        string
	}{
		{"§3: no statements", o.id(), []string{"a.b.c"}, nil, authz.InvalidTrustChain, ""},
		{"§4: too many", o.id(), slices.Repeat(good, 4), nil, authz.InvalidTrustChain, "1 to 10"},
		{"§4: its configuration alone", o.id(), good[:1], nil, authz.InvalidTrustAnchor, ""},
		{"§4: not up to the anchor", o.id(), good[:2], nil, authz.InvalidTrustAnchor, ""},
		{"§10.2: an anchor that is not configured", "https://la.example.vn", []string{stranger.Configuration(t, nil)}, nil, authz.InvalidTrustAnchor, ""},
		{"§10.2: signed by another", o.id(), []string{good[0], stranger.Sign(t, nil, claims{"iss": o.province.ID, "sub": o.app.ID, "iat": o.now.Unix(), "exp": o.now.Unix() + 60, "jwks": o.app.JWKS(t)}), good[2]}, nil, authz.InvalidTrustChain, ""},
		{"§12.1.1.1: about another app", "https://khac.example.vn", good, nil, authz.InvalidTrustChain, "about"},
		{"§12.1.1.1.1: the peer chain is about another", o.id(), good, peer(o.anchor, stranger), authz.InvalidTrustChain, "begin at this provider"},
		{"§12.1.1.1.1: the peer chain ends elsewhere", o.id(), good, peer(o.other, o.provider), authz.InvalidTrustAnchor, "one anchor"},
		{"§12.1.1.1.1: the peer chain proves nothing", o.id(), good, peer(stranger, o.provider), authz.InvalidTrustChain, "peer_trust_chain"},
		{"§5.1.2: metadata that this provider does not take", o.id(), o.chain(t, claims{"client_registration_types": []string{"explicit"}}), nil, authz.InvalidMetadata, "automatic"},
		{"§12.1: a sector elsewhere", o.id(), o.chain(t, claims{"sector_identifier_uri": "https://khac.example.vn/list"}), nil, authz.InvalidMetadata, "sector_identifier_uri"},
	} {
		t.Run(row.name, func(t *testing.T) {
			for range 2 { // the second time from memory
				err := o.Introduce(t.Context(), row.id, row.chain, row.peer)
				said := (*authz.Error)(nil)
				if !errors.As(err, &said) || said.Code != row.code || !strings.Contains(said.Error(), row.says) || said.Redirectable {
					t.Fatalf("got %v, want %s that says %q", err, row.code, row.says)
				}
			}
			if _, err := o.db.Client(t.Context(), row.id); !errors.Is(err, authz.ErrNotFound) {
				t.Errorf("a row was made: %v", err)
			}
		})
	}
	o.expect(t)
	t.Run("§12.1.1.1.1: a peer chain that is good", func(t *testing.T) {
		if err := o.Introduce(t.Context(), o.id(), good, peer(o.anchor, o.provider)); err != nil {
			t.Error(err)
		}
	})
}

// TestOthersStayAsTheyAre: an app that was registered here is no federation's to change,
// whatever its id is, and what names no entity is passed over.
func TestOthersStayAsTheyAre(t *testing.T) {
	o, ctx := newOffice(t, storetest.SQLite(t, nil)), t.Context()
	for _, id := range []authz.ClientID{"so-dat", o.id()} {
		if err := o.db.SaveClient(ctx, &authz.Client{ID: id, Name: authz.LocalizedText{VI: "Sổ đất"}, Profile: authz.FAPI2}); err != nil {
			t.Fatal(err)
		}
		if err := o.Introduce(ctx, id, o.chain(t, nil), nil); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		o.resolve(t, o.chain(t, nil))
		c, err := o.Client(ctx, id)
		if err != nil || c.Name.VI != "Sổ đất" || c.Membership.Federated() {
			t.Errorf("%s: got %+v, %v", id, c, err)
		}
	}
	if _, err := o.Client(ctx, "nobody"); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	o.expect(t)
}

// TestTogether: nodes that meet an app for the first time at once register it once, on both
// databases.
func TestTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := newOffice(t, db)
		o.resolve(t, o.chain(t, nil))
		var group sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			node := o.node()
			group.Go(func() {
				c, err := node.Client(t.Context(), o.id())
				if err == nil && c.Name.VI != "Cổng dịch vụ" {
					err = fmt.Errorf("got %+v", c)
				}
				errs[i] = err
			})
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		o.expect(t, "client.registered")
	})
}

// TestNoEventNoRow: a registration whose event is not recorded is none.
func TestNoEventNoRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, ctx := newOffice(t, db), t.Context()
		o.fail = fmt.Errorf("the disk is full: %w", authz.ErrUnavailable)
		chain := o.chain(t, nil)
		if err := o.Introduce(ctx, o.id(), chain, nil); !errors.Is(err, authz.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if _, err := db.Client(ctx, o.id()); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("a row without its event: %v", err)
		}
		o.fail = nil
		if err := o.Introduce(ctx, o.id(), chain, nil); err != nil {
			t.Errorf("an outage is remembered as a refusal: %v", err)
		}
	})
}

// TestAnchorsOfTheRules: what the resolver knows under an anchor that the operator's rules for
// apps do not name lets nobody in, and ends nothing; what it has dropped says so.
func TestAnchorsOfTheRules(t *testing.T) {
	o, ctx := newOffice(t, storetest.SQLite(t, nil)), t.Context()
	foreign := federationtest.New(t, "https://la.example.vn")
	chain := o.chain(t, nil)
	chain[2] = foreign.About(t, o.province, claims{"iat": o.now.Unix(), "exp": o.now.Add(time.Hour).Unix()})
	v := trust.Verify(chain, []trust.Anchor{{ID: foreign.ID, Keys: foreign.Set(t)}}, o.now)
	if !v.Valid() {
		t.Fatal(v.Err)
	}
	o.known[o.app.ID] = v
	_, err := o.Client(ctx, o.id())
	refusedBy(t, err, authz.InvalidTrustChain, "no chain of it is known")
	o.expect(t)
	if err := o.Introduce(ctx, o.id(), o.chain(t, nil), nil); err != nil {
		t.Fatal(err)
	}
	v.Err, v.Metadata = trust.ErrChain, nil
	o.known[o.app.ID] = v
	if _, err := o.Client(ctx, o.id()); err != nil {
		t.Errorf("ended by an anchor that does not count here: %v", err)
	}
	o.expect(t, "client.registered")
	o.known[o.app.ID] = trust.Verdict{Subject: o.app.ID, Err: trust.ErrChain}
	_, err = o.Client(ctx, o.id())
	refusedBy(t, err, authz.InvalidTrustChain, "no superior states it any more")
	o.expect(t, "client.trust-ended")
}

// TestLinksThatAreWithdrawn: a chain lets nobody in through an entity that is known to be trusted
// no more, for an app that was never seen before too (OpenID Federation 1.0 §10.4); nor does the
// chain of an anchor about itself, whose name is a row.
func TestLinksThatAreWithdrawn(t *testing.T) {
	o, ctx := newOffice(t, storetest.SQLite(t, nil)), t.Context()
	o.known[o.province.ID] = trust.Verdict{Subject: o.province.ID, Err: trust.ErrChain}
	refusedBy(t, o.Introduce(ctx, o.id(), o.chain(t, nil), nil), authz.InvalidTrustChain, "stands in the chain")
	alone := []string{o.anchor.Configuration(t, claims{"iat": o.now.Unix(), "exp": o.now.Add(time.Hour).Unix()})}
	refusedBy(t, o.Introduce(ctx, authz.ClientID(o.anchor.ID), alone, nil), authz.InvalidTrustChain, "no app of its own")
	o.expect(t)
}

// TestARemovedAnchor: apps that came by an anchor which the rules name no more are refused at
// once, and one that the resolver knows under other keys of the anchor comes in no more.
func TestARemovedAnchor(t *testing.T) {
	o, ctx := newOffice(t, storetest.SQLite(t, nil)), t.Context()
	if err := o.Introduce(ctx, o.id(), o.chain(t, nil), nil); err != nil {
		t.Fatal(err)
	}
	o.anchors = o.anchors[1:]
	_, err := o.node().Client(ctx, o.id())
	refusedBy(t, err, authz.InvalidTrustAnchor, "any more")
	stolen := federationtest.New(t, o.anchor.ID)
	o.anchors = []trust.Anchor{{ID: o.anchor.ID, Keys: stolen.Set(t)}}
	o.now = o.now.Add(time.Minute)
	o.known[o.app.ID] = trust.Verify(o.chain(t, nil), []trust.Anchor{{ID: o.anchor.ID, Keys: o.anchor.Set(t)}}, o.now)
	_, err = o.node().Client(ctx, o.id())
	refusedBy(t, err, authz.InvalidTrustChain, "")
}

// TestARefusalIsRemembered: an app that is trusted and not taken costs a look at all apps once,
// however often it is named.
func TestARefusalIsRemembered(t *testing.T) {
	o, ctx := newOffice(t, storetest.SQLite(t, nil)), t.Context()
	other := &authz.Client{
		ID: "khac", Name: authz.LocalizedText{VI: "Cổng dịch vụ"}, Owner: authz.LocalizedText{VI: "Bộ Mẫu"}, Profile: authz.FAPI2,
	}
	if err := o.db.SaveClient(ctx, other); err != nil {
		t.Fatal(err)
	}
	o.resolve(t, o.chain(t, nil))
	for range 3 {
		_, err := o.Client(ctx, o.id())
		refusedBy(t, err, authz.InvalidMetadata, "look-alike-name")
	}
	if n := o.listed.Load(); n != 1 {
		t.Errorf("all apps were read %d times", n)
	}
}

// TestPaced: whoever names apps, or signs many chains, causes so many rows and events and no
// more; an app that is registered signs people in meanwhile.
func TestPaced(t *testing.T) {
	o := newOffice(t, storetest.SQLite(t, nil))
	left := 1
	o.pace = func() time.Duration {
		if left--; left < 0 {
			return 3 * time.Second
		}
		return 0
	}
	node, ctx := o.node(), t.Context()
	if err := node.Introduce(ctx, o.id(), o.chain(t, nil), nil); err != nil {
		t.Fatal(err)
	}
	o.expect(t, "client.registered")
	waits := func(err error, want time.Duration) {
		t.Helper()
		said := (*authz.Error)(nil)
		if !errors.As(err, &said) || said.Code != authz.TemporarilyUnavailable || said.RetryAfter != want ||
			!errors.Is(err, protocol.ErrTooMany) {
			t.Errorf("got %v, want to wait %s", err, want)
		}
	}
	o.now = o.now.Add(4 * time.Second)
	waits(node.Introduce(ctx, o.id(), o.chain(t, claims{"client_name": "Tên mới"}), nil), 6*time.Second)
	if c, err := node.Client(ctx, o.id()); err != nil || c.Name.VI != "Cổng dịch vụ" {
		t.Errorf("got %+v, %v", c, err)
	}
	o.now = o.now.Add(6 * time.Second)
	if err := node.Introduce(ctx, o.id(), o.chain(t, claims{"client_name": "Tên mới"}), nil); err != nil {
		t.Error(err)
	}
	o.expect(t, "client.updated")
	o.app = federationtest.New(t, "https://app-hai.tinh.example.vn")
	chain := o.chain(t, claims{"redirect_uris": []string{"https://app-hai.tinh.example.vn/cb"}, "client_name": "Ứng dụng hai"})
	waits(node.Introduce(ctx, o.id(), chain, nil), 3*time.Second)
	o.resolve(t, chain)
	_, err := node.Client(ctx, o.id())
	waits(err, 3*time.Second)
	o.expect(t)
	left = 1
	if _, err := node.Client(ctx, o.id()); err != nil {
		t.Error(err)
	}
	o.expect(t, "client.registered")
}

// TestFederationKeys: another federation key of an app with a signed_jwks_uri counts as soon as its
// superior states it (§5.2.1), and comes back from the database.
func TestFederationKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, ctx := newOffice(t, db), t.Context()
		signed := claims{"jwks": nil, "signed_jwks_uri": "https://app.tinh.example.vn/signed"}
		for _, want := range []string{"client.registered", "client.updated"} {
			if err := o.Introduce(ctx, o.id(), o.chain(t, signed), nil); err != nil {
				t.Fatal(err)
			}
			o.expect(t, want)
			for name, read := range map[string]func(context.Context, authz.ClientID) (*authz.Client, error){"here": o.Client, "kept": db.Client} {
				c, err := read(ctx, o.id())
				if err != nil {
					t.Fatal(err)
				}
				set, err := jose.ParseSet(c.JWKSSignedBy)
				if err != nil || federationtest.Parse(t, o.app.Configuration(t, nil)).SignedBy(set) != nil || c.JWKSURI == "" {
					t.Errorf("%s: %v, %+v", name, err, c.Keys)
				}
			}
			o.app = federationtest.New(t, o.app.ID)
			o.now = o.now.Add(time.Minute)
		}
	})
}
