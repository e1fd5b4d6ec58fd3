package seat

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/store"
	"hopnhat/store/storetest"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/remote"
)

const name = "hopnhat.example/release/dc1"

// book is the lease of a site, and which node has it.
type book struct {
	mu      sync.Mutex
	holder  string
	address string
}

// lease is the book as one node sees it.
type lease struct {
	book          *book
	node, address string
}

func (l lease) Take(context.Context) error {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	if l.book.holder != "" && l.book.holder != l.node {
		return ErrTaken
	}
	l.book.holder, l.book.address = l.node, l.address
	return nil
}

func (l lease) Leave(context.Context) error {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	if l.book.holder == l.node {
		l.book.holder, l.book.address = "", ""
	}
	return nil
}

func (l lease) Writer(context.Context) (string, error) {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	return l.book.address, nil
}

// site is a site in a test: its book, its database and its identity.
type site struct {
	book     book
	db       *store.DB
	identity *remote.Identity
}

func newSite(t *testing.T) *site {
	i, err := remote.NewIdentity(bytes.Repeat([]byte{7}, 32), "dc1", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return &site{db: storetest.SQLite(t, nil), identity: i}
}

// options are those of a node, which listens if it is reached.
func (s *site) options(t *testing.T, node string, l net.Listener) Options {
	dir := t.TempDir()
	archive := &tlog.Archive{Log: name, Dir: filepath.Join(dir, "tlog"), KeyFile: filepath.Join(dir, "log.vkey")}
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	key := func(string, string) (tlog.Key, error) {
		return tlog.Key{
			Public: private.Public().(ed25519.PublicKey),
			Sign:   func(_ context.Context, m []byte) ([]byte, error) { return ed25519.Sign(private, m), nil },
		}, nil
	}
	address := ""
	if l != nil {
		address = l.Addr().String()
	}
	return Options{
		Lease: lease{&s.book, node, address}, Archive: archive, Heads: s.db.Heads, Key: key, Writes: true, Candidate: l != nil,
		Dial: func(address string) *remote.Client { return remote.Dial(address, s.identity) },
		Open: func(ctx context.Context) (*tlog.Shards, error) {
			return tlog.OpenShards(ctx, tlog.ShardsOptions{
				Explain: func(context.Context, string, uint64, [][]byte) ([]uint64, error) { return nil, nil },
				Archive: archive, Heads: s.db.Heads, Writer: node, Key: key, KnownSize: s.db.KnownLogSize,
				CheckpointInterval: 100 * time.Millisecond,
			})
		},
	}
}

func (s *site) listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// node opens a node that the others reach.
func (s *site) node(t *testing.T, called string) *Log {
	t.Helper()
	listener := s.listen(t)
	l := s.open(t, s.options(t, called, listener))
	server := remote.Serve(listener, s.identity, l.Served())
	t.Cleanup(func() { server.Close() })
	return l
}

func (s *site) open(t *testing.T, o Options) *Log {
	t.Helper()
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

func appended(t *testing.T, l *Log, entry string) (origin string, index uint64) {
	t.Helper()
	place, err := l.Append(t.Context(), audit.Entry{Leaf: []byte(entry)})
	if err != nil {
		t.Fatal(err)
	}
	return place.Origin, place.Index
}

// TestOneWritesAndTheOtherFollows, until the writer leaves: then the other one writes.
func TestOneWritesAndTheOtherFollows(t *testing.T) {
	s := newSite(t)
	a, b := s.node(t, "a"), s.node(t, "b")
	if !a.Writes() || b.Writes() {
		t.Fatalf("a writes: %v, b: %v", a.Writes(), b.Writes())
	}
	for n := range uint64(4) {
		origin, index := appended(t, []*Log{a, b}[n%2], fmt.Sprint("entry ", n))
		if index != n {
			t.Errorf("entry %d stands at %d", n, index)
		}
		for who, l := range map[string]*Log{"a": a, "b": b} {
			r, err := l.Reader(t.Context(), origin)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Proof(t.Context(), index); err != nil {
				t.Errorf("%s has no proof of entry %d: %v", who, n, err)
			}
		}
	}
	if err := errors.Join(a.Health(t.Context()), b.Health(t.Context())); err != nil {
		t.Error(err)
	}
	if a.Origin() != b.Origin() || a.VerifierKey() != b.VerifierKey() || b.VerifierKey() == "" {
		t.Errorf("a has the log %s %s, b %s %s", a.Origin(), a.VerifierKey(), b.Origin(), b.VerifierKey())
	}
	for who, l := range map[string]*Log{"a": a, "b": b} {
		sign, vkeys, err := l.Signing()
		if err != nil || len(vkeys) != 1 || vkeys[0] != a.VerifierKey() {
			t.Fatalf("%s signs by %v, %v", who, vkeys, err)
		}
		if _, err := sign("an export\n"); err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
	before := a.Origin()
	if err := errors.Join(b.Step(t.Context()), a.Close(t.Context())); err != nil || b.Writes() {
		t.Fatal(err)
	}
	if err := b.Step(t.Context()); err != nil || !b.Writes() {
		t.Fatalf("b does not write: %v", err)
	}
	if origin, _ := appended(t, b, "next"); origin != before+"-2" {
		t.Errorf("it writes %s", origin)
	}
}

// TestAWriterThatLostTheLease follows the node that has it, lets nobody append any more,
// and says so where it cannot follow.
func TestAWriterThatLostTheLease(t *testing.T) {
	s := newSite(t)
	a := s.node(t, "a")
	appended(t, a, "one")
	s.book.holder, s.book.address = "x", ""
	if a.Lost(t.Context()) || !a.Writes() {
		t.Fatal("it follows a node that nobody reaches")
	}
	s.book.holder = "" // it is over for a
	b := s.node(t, "b")
	if !b.Writes() || !a.Lost(t.Context()) || a.Writes() {
		t.Fatalf("a writes: %v, b: %v", a.Writes(), b.Writes())
	}
	if _, err := a.Served().Append(t.Context(), audit.Entry{Leaf: []byte("two")}); !errors.Is(err, ErrTaken) {
		t.Errorf("others append to a node that does not write: %v", err)
	}
	if origin, _ := appended(t, a, "three"); origin != b.Origin() {
		t.Errorf("it appends to %s, and b writes %s", origin, b.Origin())
	}
}

// TestATakeoverThatFails leaves the lease to the next one.
func TestATakeoverThatFails(t *testing.T) {
	s := newSite(t)
	a := s.node(t, "a")
	o := s.options(t, "b", s.listen(t))
	o.Open = func(context.Context) (*tlog.Shards, error) { return nil, errors.New("no disk") }
	b := s.open(t, o)
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Step(t.Context()); err == nil || b.Writes() {
		t.Errorf("it writes without a disk: %v", err)
	}
	if s.book.holder != "" {
		t.Errorf("%s keeps the lease", s.book.holder)
	}
	if _, err := b.Append(t.Context(), audit.Entry{Leaf: []byte("one")}); !errors.Is(err, authz.ErrUnavailable) {
		t.Errorf("appending without a writer: %v", err)
	}
	if err := b.Health(t.Context()); !errors.Is(err, tlog.ErrAppend) {
		t.Errorf("health at a writer that has ended: %v", err)
	}
}

// TestANodeThatMayNotWrite follows whichever writes, also one that comes later.
func TestANodeThatMayNotWrite(t *testing.T) {
	s := newSite(t)
	o := s.options(t, "reader", nil)
	o.Writes = false
	l := s.open(t, o)
	if _, err := l.Append(t.Context(), audit.Entry{Leaf: []byte("one")}); !errors.Is(err, authz.ErrUnavailable) {
		t.Errorf("appending without a writer: %v", err)
	}
	if err := l.Health(t.Context()); !errors.Is(err, tlog.ErrUnreached) {
		t.Errorf("health without a writer: %v", err)
	}
	a := s.node(t, "a")
	if err := l.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if origin, _ := appended(t, l, "two"); origin != a.Origin() {
		t.Errorf("it appends to %s", origin)
	}
}

// TestASecondNodeThatIsNotReached is refused while the first one is not reached either.
func TestASecondNodeThatIsNotReached(t *testing.T) {
	s := newSite(t)
	s.open(t, s.options(t, "a", nil))
	if _, err := Open(t.Context(), s.options(t, "b", nil)); !errors.Is(err, ErrTaken) {
		t.Errorf("got %v, want %v", err, ErrTaken)
	}
}

// TestALogThatCannotBeWritten: a node whose folder is not what was recorded starts, appends
// nothing and says why; when the folder is mended it writes again, without a start.
func TestALogThatCannotBeWritten(t *testing.T) {
	s := newSite(t)
	o := s.options(t, "a", nil)
	a := s.open(t, o)
	origin, _ := appended(t, a, "one")
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	n, err := tlog.ParseName(name, origin)
	if err != nil {
		t.Fatal(err)
	}
	checkpoint := filepath.Join(n.Dir(o.Archive.Dir), "checkpoint")
	if err := os.Rename(checkpoint, checkpoint+".away"); err != nil {
		t.Fatal(err)
	}
	a = s.open(t, o)
	if err := a.Health(t.Context()); a.Writes() || !errors.Is(err, tlog.ErrDamaged) {
		t.Errorf("it writes: %v; health: %v", a.Writes(), err)
	}
	_, err = a.Append(t.Context(), audit.Entry{Leaf: []byte("two")})
	if !errors.Is(err, authz.ErrUnavailable) || !errors.Is(err, tlog.ErrDamaged) {
		t.Errorf("it appends: %v", err)
	}
	if s.book.holder != "" {
		t.Errorf("%s keeps the lease, which another node could have", s.book.holder)
	}
	step := func() {
		t.Helper()
		a.now.Load().follows.retry = time.Time{}
		if err := a.Step(t.Context()); err != nil && !errors.Is(err, tlog.ErrDamaged) {
			t.Fatal(err)
		}
	}
	step()
	if err := a.Health(t.Context()); a.Writes() || !errors.Is(err, tlog.ErrDamaged) {
		t.Errorf("after another try it writes: %v; health: %v", a.Writes(), err)
	}
	if err := os.Rename(checkpoint+".away", checkpoint); err != nil {
		t.Fatal(err)
	}
	step()
	if again, index := appended(t, a, "two"); again != origin || index != 1 {
		t.Errorf("the next entry stands at %d of %s", index, again)
	}
}

// TestAShardOfBeforeIsReadWhereItIs: of a shard that a node wrote before another took over,
// the new writer, and a node that has no folder, have proofs from there.
func TestAShardOfBeforeIsReadWhereItIs(t *testing.T) {
	s := newSite(t)
	la, lb := s.listen(t), s.listen(t)
	oa, ob, oc := s.options(t, "a", la), s.options(t, "b", lb), s.options(t, "c", nil)
	oc.Writes = false
	peers := func(context.Context) ([]string, error) { return []string{"127.0.0.1:1", la.Addr().String()}, nil }
	ob.Peers, oc.Peers = peers, peers
	a := s.open(t, oa)
	origin, index := appended(t, a, "one")
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := s.open(t, ob)
	serverB := remote.Serve(lb, s.identity, b.Served())
	defer serverB.Close()
	if next, _ := appended(t, b, "two"); next == origin {
		t.Fatal("b goes on with the shard of a")
	}
	a = s.open(t, oa) // it follows, and has its folder
	serverA := remote.Serve(la, s.identity, a.Served())
	defer serverA.Close()
	for who, l := range map[string]*Log{"a": a, "b": b, "c": s.open(t, oc)} {
		r, err := l.Reader(t.Context(), origin)
		if err != nil {
			t.Errorf("%s: %v", who, err)
			continue
		}
		if _, err := r.Proof(t.Context(), index); err != nil {
			t.Errorf("%s has no proof: %v", who, err)
		}
		if _, err := l.Reader(t.Context(), name+"/1999q1"); err == nil {
			t.Errorf("%s reads a shard that nobody has", who)
		}
	}
}
