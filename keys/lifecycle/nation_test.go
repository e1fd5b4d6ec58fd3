package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/keys"
	"hopnhat/keys/keytest"
	"hopnhat/keys/lifecycle"
)

// backend is a key store in memory, whose keys cost nothing: a version is its
// number, a signature names it.
type backend struct {
	mu        sync.Mutex
	newest    int
	destroyed map[int]bool
	down      error
	secret    string // of another keyring, another
}

func (b *backend) Versions(context.Context) ([]keys.PublicKey, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil {
		return nil, b.down
	}
	var out []keys.PublicKey
	for v := b.newest; v > 0; v-- {
		if !b.destroyed[v] {
			out = append(out, keys.PublicKey{Handle: keys.Handle{
				Use: keys.TokenSigning, Algorithm: keys.ES256, KeyID: keys.KeyID(fmt.Sprint(b.secret, "v", v)), Name: "token-es256",
				Version: v,
			}})
		}
	}
	return out, nil
}

func (b *backend) Create(context.Context, keys.Use, keys.Algorithm) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil {
		return b.down
	}
	b.newest++
	return nil
}

func (b *backend) Destroy(_ context.Context, key keys.Handle) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil {
		return b.down
	}
	b.destroyed[key.Version] = true
	return nil
}

func (b *backend) SignBatch(_ context.Context, key keys.Handle, inputs [][]byte) ([]keys.Signature, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil || b.destroyed[key.Version] {
		return nil, &keys.Outage{Cause: keys.KeyMissing, Doing: "signing"}
	}
	out := make([]keys.Signature, len(inputs))
	for i := range out {
		out[i].Bytes = []byte(key.KeyID)
	}
	return out, nil
}

var errNotHere = errors.New("not in this store")

func (b *backend) Unwrap(context.Context, keys.Handle, []byte) ([]byte, error) {
	return nil, errNotHere
}

func (b *backend) Derive(_ context.Context, use keys.Use, label string) ([]byte, error) {
	return []byte(b.secret + string(use) + label), nil
}

func (b *backend) Seal(context.Context, []byte, []byte) ([]byte, error) { return nil, errNotHere }

func (b *backend) Rewrap(context.Context, []byte) ([]byte, error) { return nil, errNotHere }
func (b *backend) Health(context.Context) error                   { return nil }
func (b *backend) Calls() uint64                                  { return 0 }
func (b *backend) Close() error                                   { return nil }
func (b *backend) Open(context.Context, []byte, []byte) ([]byte, bool, error) {
	return nil, false, errNotHere
}

// silent is a logger to nowhere: the failures here are on purpose.
var silent = slog.New(slog.DiscardHandler)

// nation is several nodes over one ledger and one store, with a clock that the test
// moves. Nodes take their turns when the test says so.
type nation struct {
	now    time.Time
	ledger *keytest.Ledger
	store  *backend
	nodes  []*lifecycle.Keeper
	seq    int
}

const lease = time.Minute

func newNation(t require, nodes int) *nation {
	n := &nation{now: noon, ledger: &keytest.Ledger{}, store: &backend{newest: 1, destroyed: map[int]bool{}}}
	for range nodes {
		n.join(t)
	}
	return n
}

// require is what both testing.T and rapid.T have.
type require interface {
	Fatalf(format string, args ...any)
}

func (n *nation) options(node string) lifecycle.Options {
	return lifecycle.Options{
		Store: n.store, Ledger: n.ledger, Rules: rules, Node: node, MayCreate: true, Begin: true, Lease: lease,
		Tick: 365 * 24 * time.Hour, Heartbeat: 10 * time.Second,
		Reread: 15 * time.Second, Now: func() time.Time { return n.now }, Logger: silent,
	}
}

func (n *nation) join(t require) {
	n.seq++
	k, err := lifecycle.Open(context.Background(), n.options(fmt.Sprint("node ", n.seq)))
	if err != nil {
		t.Fatalf("joining: %v", err)
	}
	n.nodes = append(n.nodes, k)
}

func (n *nation) close() {
	n.ledger.Fail(nil)
	for _, k := range n.nodes {
		_ = k.Close()
	}
}

// operator is a command beside the nodes.
func (n *nation) operator(t require) *lifecycle.Keeper {
	k, err := lifecycle.Open(context.Background(), n.options(""))
	if err != nil {
		t.Fatalf("the operator's command: %v", err)
	}
	return k
}

func (n *nation) sets() [][]keys.KeyID {
	var out [][]keys.KeyID
	for _, k := range n.nodes {
		set, err := k.Published(keys.TokenSigning)
		if err != nil {
			continue // it serves no set at all
		}
		var ids []keys.KeyID
		for _, p := range set {
			ids = append(ids, p.KeyID)
		}
		out = append(out, ids)
	}
	return out
}

// TestANodeThatWokeWithoutTheStoreServesNoPartOfASet: it has not seen a version that began
// and was replaced while it hung, which a node that hangs now still signs with.
func TestANodeThatWokeWithoutTheStoreServesNoPartOfASet(t *testing.T) {
	n := newNation(t, 1)
	defer n.close()
	asleep := n.nodes[0]
	n.now = n.now.Add(2 * time.Minute) // it hangs, and is no longer waited for
	revoke := func() keys.KeyID {
		op := n.operator(t)
		key, err := op.Active(keys.TokenSigning, keys.ES256)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := op.Commands().Revoke(t.Context(), key.KeyID, "a drill", false); err != nil {
			t.Fatal(err)
		}
		return key.KeyID
	}
	revoke() // v1
	n.join(t)
	awake := n.nodes[1]
	begins := func(not keys.KeyID) keys.KeyID { // the others go on
		for range 100 {
			n.now = n.now.Add(10 * time.Second)
			if err := awake.Reconcile(t.Context()); err != nil {
				t.Fatal(err)
			}
			if key, err := awake.Active(keys.TokenSigning, keys.ES256); err == nil && key.KeyID != not {
				return key.KeyID
			}
		}
		t.Fatal("no version began to sign")
		return ""
	}
	signing := begins("")
	if _, err := n.operator(t).Commands().Rotate(t.Context(), keys.TokenSigning, keys.ES256, true); err != nil {
		t.Fatal(err)
	}
	begins(signing)
	revoke() // v3, before the sleeper saw it
	n.store.down = &keys.Outage{Cause: keys.Sealed, Doing: "anything"}
	_ = asleep.Reconcile(t.Context())
	if set, err := asleep.Published(keys.TokenSigning); err == nil {
		t.Fatalf("a set without %s, which another node signs with: %v", signing, set)
	}
	n.store.down = nil
	if err := asleep.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if set, err := asleep.Published(keys.TokenSigning); err != nil ||
		!slices.ContainsFunc(set, func(p keys.PublicKey) bool { return p.KeyID == signing }) {
		t.Fatalf("once the store is there: %v, %v", set, err)
	}
}

// TestNoNodeSignsWithWhatAnotherLacks is the promise of the package, whatever
// happens in whatever order: turns, rotations, revocations, nodes that come, go,
// hang or lose the database, a store that is down, parties that fetch or do not.
func TestNoNodeSignsWithWhatAnotherLacks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := newNation(t, rapid.IntRange(1, 4).Draw(t, "nodes"))
		defer n.close()
		type signed struct {
			by keys.KeyID
			at time.Time
		}
		var tokens []signed
		revoked := map[keys.KeyID]bool{}
		hanging := map[*lifecycle.Keeper]bool{}
		turn := func(k *lifecycle.Keeper) {
			if !hanging[k] {
				_ = k.Reconcile(context.Background())
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				n.now = n.now.Add(time.Duration(rapid.SampledFrom([]int{1, 2, 5, 20, 61, 120, 700, 3700}).Draw(t, "seconds")) * time.Second)
			},
			"everybody takes turns": func(*rapid.T) {
				for range 3 {
					n.now = n.now.Add(2 * time.Second)
					for _, k := range n.nodes {
						turn(k)
					}
				}
			},
			"one takes a turn": func(t *rapid.T) { turn(rapid.SampledFrom(n.nodes).Draw(t, "node")) },
			"one hangs or wakes": func(t *rapid.T) {
				k := rapid.SampledFrom(n.nodes).Draw(t, "node")
				hanging[k] = !hanging[k]
			},
			"one joins": func(t *rapid.T) {
				if len(n.nodes) < 5 && n.store.down == nil {
					n.join(t)
				}
			},
			"rotate": func(t *rapid.T) {
				if n.store.down == nil && n.store.newest < 8 {
					if _, err := n.operator(t).Commands().Rotate(context.Background(), keys.TokenSigning, keys.ES256, rapid.Bool().Draw(t, "urgent")); err != nil {
						t.Fatalf("rotating: %v", err)
					}
				}
			},
			"revoke the active": func(t *rapid.T) {
				if n.store.down != nil || n.store.newest >= 8 {
					return
				}
				op := n.operator(t)
				key, err := op.Active(keys.TokenSigning, keys.ES256)
				if err != nil {
					return
				}
				if _, err := op.Commands().Revoke(context.Background(), key.KeyID, "a drill", false); err != nil {
					t.Fatalf("revoking: %v", err)
				}
				revoked[key.KeyID] = true
			},
			"the store fails or recovers": func(*rapid.T) {
				if n.store.down == nil {
					n.store.down = &keys.Outage{Cause: keys.Sealed, Doing: "anything"}
				} else {
					n.store.down = nil
				}
			},
			"somebody signs": func(t *rapid.T) {
				k := rapid.SampledFrom(n.nodes).Draw(t, "node")
				key, err := k.Active(keys.TokenSigning, keys.ES256)
				if err != nil {
					return
				}
				if _, err := k.Sign(context.Background(), keys.Job{Key: key, Input: []byte("x")}); err == nil {
					tokens = append(tokens, signed{key.KeyID, n.now})
				}
			},
			"": func(t *rapid.T) {
				sets := n.sets()
				for i, k := range n.nodes {
					key, err := k.Active(keys.TokenSigning, keys.ES256)
					if err != nil {
						continue
					}
					for j, set := range sets {
						// What was revoked has left the sets of those who heard of it,
						// before it has left the hands of those who have yet to.
						if !slices.Contains(set, key.KeyID) && !revoked[key.KeyID] {
							t.Fatalf("node %d signs with %s, the set of another (%d) is %v", i, key.KeyID, j, set)
						}
					}
				}
				for _, token := range tokens {
					if n.now.Sub(token.at) < overlap && !revoked[token.by] {
						for _, set := range sets {
							if !slices.Contains(set, token.by) {
								t.Fatalf("a token of %s by %s cannot be verified with %v", n.now.Sub(token.at), token.by, set)
							}
						}
					}
				}
				states, _ := n.ledger.KeyVersions(context.Background())
				active := 0
				for _, l := range states {
					if l.State == keys.Active {
						active++
					}
				}
				if active > 1 {
					t.Fatalf("%d active versions", active)
				}
			},
		})
		// Whatever happened: once all is well again, everybody signs with the same
		// version, and what was revoked is gone everywhere.
		n.store.down = nil
		clear(hanging)
		for range 60 {
			n.now = n.now.Add(30 * time.Second)
			for _, k := range n.nodes {
				if err := k.Reconcile(context.Background()); err != nil {
					t.Fatalf("a turn when all is well: %v", err)
				}
			}
		}
		first, err := n.nodes[0].Active(keys.TokenSigning, keys.ES256)
		if err != nil {
			t.Fatalf("nothing signs: %v", err)
		}
		for _, k := range n.nodes {
			if key, err := k.Active(keys.TokenSigning, keys.ES256); err != nil || key.KeyID != first.KeyID {
				t.Fatalf("one signs with %s, another with %s, %v", first.KeyID, key.KeyID, err)
			}
		}
		for _, set := range n.sets() {
			for id := range revoked {
				if slices.Contains(set, id) {
					t.Fatalf("%s was revoked and is in the set %v", id, set)
				}
			}
		}
	})
}

// turns lets every node take n turns, two seconds apart.
func (n *nation) turns(t *testing.T, times int) {
	t.Helper()
	for range times {
		n.now = n.now.Add(2 * time.Second)
		for _, k := range n.nodes {
			if err := k.Reconcile(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func activeOf(t *testing.T, k *lifecycle.Keeper) keys.KeyID {
	t.Helper()
	key, err := k.Active(keys.TokenSigning, keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return key.KeyID
}

// TestANameThatIsNoText: anybody may fetch the JWK Set and say any name. A node
// that cannot note it would stop telling that it lives, and rotations with it.
func TestANameThatIsNoText(t *testing.T) {
	n := newNation(t, 2)
	defer n.close()
	n.nodes[0].Used("land-app", "10.0.0.1")
	for _, name := range []string{"\x00", "\xff", "land-app\x00", "\x1b[2J"} {
		n.nodes[0].Fetched(name, "10.0.0.9")
	}
	n.turns(t, 2)
	if _, nodes, err := n.operator(t).Commands().Status(t.Context(), false); err != nil || len(nodes) != 2 {
		t.Fatalf("%d nodes live, %v", len(nodes), err)
	}
}

func TestARotationFromBeginningToEnd(t *testing.T) {
	n := newNation(t, 3)
	defer n.close()
	land := n.nodes[0]
	land.Used("land-app", "10.0.0.1")
	land.Used("tax-app", "10.0.0.2")
	land.Fetched("land-app", "")
	n.turns(t, 1)
	if _, err := n.operator(t).Commands().Rotate(t.Context(), keys.TokenSigning, keys.ES256, false); err != nil {
		t.Fatal(err)
	}
	n.turns(t, 3)
	for _, set := range n.sets() {
		if !slices.Equal(set, []keys.KeyID{"v2", "v1"}) {
			t.Fatalf("the set is %v", set)
		}
	}
	n.now = n.now.Add(lead)
	n.turns(t, 1)
	if got := activeOf(t, n.nodes[1]); got != "v1" {
		t.Fatalf("%s signs although land-app has not fetched", got)
	}
	status, nodes, err := n.operator(t).Commands().Status(t.Context(), false)
	if err != nil || len(nodes) != 3 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	if b := status[0].Blockers; len(b) != 1 || b[0].Party != "land-app" {
		t.Fatalf("it waits for %+v, want land-app", b)
	}
	n.nodes[2].Fetched("", "10.0.0.1") // known by its address
	n.turns(t, 3)
	for _, k := range n.nodes {
		if got := activeOf(t, k); got != "v2" {
			t.Fatalf("%s signs, want v2", got)
		}
	}
	n.now = n.now.Add(overlap)
	n.turns(t, 2)
	for _, set := range n.sets() {
		if !slices.Equal(set, []keys.KeyID{"v2"}) {
			t.Fatalf("the set is %v", set)
		}
	}
}

func TestARevocationTellsHowManyTokensItEnds(t *testing.T) {
	n := newNation(t, 2)
	defer n.close()
	for _, k := range n.nodes {
		key, err := k.Active(keys.TokenSigning, keys.ES256)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Sign(t.Context(), keys.Job{Key: key}, keys.Job{Key: key}, keys.Job{Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	op := n.operator(t)
	got, err := op.Commands().Revoke(t.Context(), "v1", "its backup was found in a taxi", false)
	if err != nil || got.Successor != "v2" || got.Destroyed != nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	if _, left, err := op.Commands().Ended(t.Context(), "v1"); err != nil || len(left) != 2 {
		t.Fatalf("nobody has taken a turn yet, but it is left with %v, %v", left, err)
	}
	if err := n.nodes[0].Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := n.nodes[0].Sign(
		t.Context(), keys.Job{Key: keys.Handle{KeyID: "v1", Use: keys.TokenSigning, Algorithm: keys.ES256, Version: 1}},
	); !errors.Is(err, keys.ErrUnavailable) {
		t.Fatalf("signed with a revoked version: %v", err)
	}
	n.turns(t, 4)
	if tokens, left, err := op.Commands().Ended(t.Context(), "v1"); err != nil || len(left) != 0 || tokens != 6 {
		t.Fatalf("%d tokens ended, left with %v, %v", tokens, left, err)
	}
	for _, set := range n.sets() {
		if !slices.Equal(set, []keys.KeyID{"v2"}) {
			t.Fatalf("the set is %v", set)
		}
	}
	if got := activeOf(t, n.nodes[1]); got != "v2" {
		t.Fatalf("%s signs", got)
	}
	if _, err := n.operator(t).Commands().Revoke(t.Context(), "v1", "again", false); err == nil {
		t.Fatal("revoked twice")
	}
	if _, err := n.operator(t).Commands().Revoke(t.Context(), "v9", "unknown", false); !errors.Is(err, keys.ErrNoKey) {
		t.Fatalf("got %v, want ErrNoKey", err)
	}
}

func TestARevocationWithoutSuccessorMustBeAskedFor(t *testing.T) {
	n := newNation(t, 1)
	defer n.close()
	op := n.operator(t)
	n.store.down = &keys.Outage{Cause: keys.PermissionDenied, Doing: "creating"}
	if _, err := op.Commands().Revoke(t.Context(), "v1", "stolen", false); err == nil {
		t.Fatal("revoked the only key without being told that nothing follows")
	}
	if got := activeOf(t, n.nodes[0]); got != "v1" {
		t.Fatalf("%s signs", got)
	}
	if got, err := op.Commands().Revoke(t.Context(), "v1", "stolen", true); got.Version.KeyID != "v1" || got.Successor != "" {
		t.Fatalf("got %+v, %v", got, err)
	}
	n.store.down = nil
	n.turns(t, 1)
	if _, err := n.nodes[0].Active(keys.TokenSigning, keys.ES256); !errors.Is(err, keys.ErrUnavailable) {
		t.Fatalf("got %v, want an outage", err)
	}
}

func TestANodeThatCannotReadTheLedgerStopsInTime(t *testing.T) {
	n := newNation(t, 1)
	defer n.close()
	n.ledger.Fail(errors.New("the database is down"))
	n.now = n.now.Add(lease)
	if err := n.nodes[0].Reconcile(t.Context()); err == nil {
		t.Fatal("a turn without a ledger")
	}
	if got := activeOf(t, n.nodes[0]); got != "v1" {
		t.Fatalf("%s signs within the lease", got)
	}
	n.now = n.now.Add(time.Second)
	_, err := n.nodes[0].Active(keys.TokenSigning, keys.ES256)
	_, published := n.nodes[0].Published(keys.TokenSigning)
	for what, err := range map[string]error{"active": err, "published": published, "health": n.nodes[0].Health(t.Context())} {
		if cause, _ := keys.CauseOf(err); cause != keys.Stale {
			t.Errorf("%s: got %v, want stale", what, err)
		}
	}
	n.ledger.Fail(nil)
	n.turns(t, 1)
	if got := activeOf(t, n.nodes[0]); got != "v1" {
		t.Fatalf("%s signs after recovery", got)
	}
}

func TestTheStoreMayFailWhileTheLedgerIsRead(t *testing.T) {
	n := newNation(t, 1)
	defer n.close()
	n.store.down = &keys.Outage{Cause: keys.Sealed, Doing: "reading"}
	for range 10 {
		n.now = n.now.Add(lease)
		_ = n.nodes[0].Reconcile(t.Context())
	}
	if sets := n.sets(); len(sets) != 1 || len(sets[0]) != 1 {
		t.Fatalf("the set went away with the store: %v", sets)
	}
	if s := n.nodes[0].Stats(); s.Failures[keys.Sealed] == 0 {
		t.Fatal("the failures were not counted")
	}
}

func TestEveryTransitionIsEvidence(t *testing.T) {
	n := newNation(t, 0)
	var got []string
	o := n.options("node")
	o.Record = func(_ context.Context, tr lifecycle.Transition) error {
		got = append(got, string(tr.From)+">"+string(tr.To))
		return nil
	}
	k, err := lifecycle.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	n.nodes = append(n.nodes, k)
	defer n.close()
	n.now = n.now.Add(every)
	n.turns(t, 12)
	n.now = n.now.Add(lead)
	n.turns(t, 2)
	n.now = n.now.Add(overlap)
	n.turns(t, 2)
	want := []string{">active", ">announced", "announced>published", "published>active", "active>retiring", "retiring>retired"}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}
