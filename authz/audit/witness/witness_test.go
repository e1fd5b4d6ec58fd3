package witness

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"hopnhat/authz/audit/cosign"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/tiles"
	"hopnhat/authz/outbound"
)

const (
	logName = "hopnhat.example/release/dc1"
	origin  = logName + "/2026q4"
)

var start = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// logOf is a log in memory with the files of tlog-tiles.
type logOf struct {
	private ed25519.PrivateKey
	origin  string
	hashes  []tlog.Hash // as sumdb/tlog stores them
	size    int64
}

func newLog(origin string, seed byte) *logOf {
	return &logOf{private: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)), origin: origin}
}

func (l *logOf) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, n := range indexes {
		out[i] = l.hashes[n]
	}
	return out, nil
}

func (l *logOf) add(t testing.TB, entries ...string) {
	t.Helper()
	for _, e := range entries {
		more, err := tlog.StoredHashes(l.size, []byte(e), l)
		if err != nil {
			t.Fatal(err)
		}
		l.hashes, l.size = append(l.hashes, more...), l.size+1
	}
}

func (l *logOf) vkey(t testing.TB, name string) string {
	t.Helper()
	vkey, err := note.NewEd25519VerifierKey(name, l.private.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return vkey
}

type signer struct {
	note.Verifier
	private ed25519.PrivateKey
}

func (s signer) Sign(m []byte) ([]byte, error) { return ed25519.Sign(s.private, m), nil }

func (l *logOf) checkpoint(t testing.TB, size int64) []byte {
	t.Helper()
	root, err := tlog.TreeHash(size, l)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(l.vkey(t, l.origin))
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%s\n%d\n%s\n", l.origin, size, proof.Hash(root))
	raw, err := note.Sign(&note.Note{Text: text}, signer{v, l.private})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (l *logOf) proof(t testing.TB, old, size int64) (out []proof.Hash) {
	t.Helper()
	if old == 0 || old == size {
		return nil
	}
	p, err := tlog.ProveTree(size, old, l)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range p {
		out = append(out, proof.Hash(h))
	}
	return out
}

// fetch serves the tiles: full ones, and of one that is not full each that it was before.
func (l *logOf) fetch(_ context.Context, path string) ([]byte, error) {
	for _, tile := range tlog.NewTiles(8, 0, l.size) {
		for least := tile.W; tile.W == least || least < 256 && tile.W > 0; tile.W-- {
			if p := strings.Replace(tile.Path(), "tile/8/", "tile/", 1); p == path {
				return tlog.ReadTileData(tile, l)
			}
		}
	}
	return nil, fs.ErrNotExist
}

func (l *logOf) body(t testing.TB, old, size int64) []byte {
	return []byte(request{uint64(old), l.proof(t, old, size), l.checkpoint(t, size)}.marshal())
}

func entries(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint("entry ", i))
	}
	return list
}

func witnessSigner(t testing.TB, name string, seed byte) *cosign.Signer {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	s, err := cosign.NewSigner(name, private, func() time.Time { return start })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func opened(t testing.TB, dir string, s *cosign.Signer, logs ...string) *Witness {
	t.Helper()
	w, err := Open(Options{Dir: dir, Logs: logs, Signer: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// TestAddCheckpoint: what tlog-witness says of each request, one after the other at one witness
// that has cosigned a tree of 5 entries.
func TestAddCheckpoint(t *testing.T) {
	l, fork, stranger, other := newLog(origin, 1), newLog(origin, 1), newLog(origin, 2), newLog("elsewhere.example/log", 1)
	l.add(t, entries(0, 300)...)
	fork.add(t, append(entries(0, 4), entries(1000, 1300)...)...)
	stranger.add(t, entries(0, 300)...)
	other.add(t, entries(0, 300)...)
	wrong := l.proof(t, 5, 9)
	wrong[0][0] ^= 1
	s := witnessSigner(t, "witness.example/w1", 7)
	dir := t.TempDir()
	w := opened(t, dir, s, l.vkey(t, logName))
	last := func() string {
		raw, err := os.ReadFile(w.file(origin))
		if err != nil {
			t.Fatal(err)
		}
		c, err := proof.ParseCheckpoint(raw)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(c.Size)
	}
	if a := w.Add(l.body(t, 0, 5)); a.Status != http.StatusOK {
		t.Fatalf("the first tree: %+v", a)
	}
	for _, row := range []struct {
		name   string
		body   []byte
		status int
		answer string // its beginning
		size   string // that is cosigned after it
	}{
		{"the same tree again", l.body(t, 5, 5), 200, "— witness.example/w1 ", "5"},
		{"a tree that goes on", l.body(t, 5, 9), 200, "— witness.example/w1 ", "9"},
		{"an old size that is not the last one", l.body(t, 5, 12), 409, "9\n", "9"},
		{"an old size of zero, to ask for it", l.body(t, 0, 12), 409, "9\n", "9"},
		{"an older tree", l.body(t, 3, 5), 409, "9\n", "9"},
		{"an older tree under the size that was cosigned", []byte(request{9, nil, l.checkpoint(t, 5)}.marshal()), 400, "", "9"},
		{"a fork of the same size", fork.body(t, 9, 9), 409, "9\n", "9"},
		{"a fork that is larger", fork.body(t, 9, 300), 422, "", "9"},
		{"a proof that is wrong", []byte(request{9, wrong, l.checkpoint(t, 12)}.marshal()), 422, "", "9"},
		{"a proof where none belongs", []byte(request{9, wrong, l.checkpoint(t, 9)}.marshal()), 422, "", "9"},
		{"no proof", []byte(request{9, nil, l.checkpoint(t, 12)}.marshal()), 422, "", "9"},
		{"signed by a stranger in the log's name", stranger.body(t, 9, 12), 403, "", "9"},
		{"a log that is not followed", other.body(t, 0, 12), 404, "", "9"},
		{"no request", []byte("hello"), 400, "", "9"},
		{"an old size with a zero before it", bytes.Replace(l.body(t, 9, 12), []byte("old 9"), []byte("old 09"), 1), 400, "", "9"},
		{"too many hashes", []byte(request{9, make([]proof.Hash, 64), l.checkpoint(t, 12)}.marshal()), 400, "", "9"},
		{"and on", l.body(t, 9, 300), 200, "— witness.example/w1 ", "300"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := w.Add(row.body)
			if a.Status != row.status || !strings.HasPrefix(a.Body, row.answer) || last() != row.size {
				t.Fatalf("got %d %q, cosigned %s", a.Status, a.Body, last())
			}
			if a.Status != http.StatusOK {
				return
			}
			_, checkpoint, _ := bytes.Cut(row.body, []byte("\n\n"))
			found, err := cosign.Open(append(checkpoint, a.Body...), s.Verifier)
			if err != nil || len(found) != 1 || !found[0].At.Equal(start) {
				t.Errorf("cosigned %+v, %v", found, err)
			}
		})
	}
	refused, err := filepath.Glob(filepath.Join(dir, "*.refused"))
	if err != nil || len(refused) < 2 {
		t.Errorf("of the forks are kept %v, %v", refused, err)
	}
}

// TestAWitnessRemembers: what was cosigned holds after a start, and one process has the state.
func TestAWitnessRemembers(t *testing.T) {
	l, fork := newLog(origin, 1), newLog(origin, 1)
	l.add(t, entries(0, 40)...)
	fork.add(t, entries(100, 140)...)
	s, dir := witnessSigner(t, "witness.example/w1", 7), t.TempDir()
	w := opened(t, dir, s, l.vkey(t, origin))
	if a := w.Add(l.body(t, 0, 20)); a.Status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	if _, err := Open(Options{Dir: dir, Signer: s}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second process: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again := opened(t, dir, s, l.vkey(t, origin))
	for name, row := range map[string]struct {
		body   []byte
		status int
	}{
		"a fork as if nothing was": {fork.body(t, 0, 40), 409}, "a fork": {fork.body(t, 20, 40), 422}, "an older tree": {l.body(t, 0, 10), 409},
	} {
		if a := again.Add(row.body); a.Status != row.status {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if err := os.WriteFile(again.file(origin), fork.checkpoint(t, 20)[3:], 0o600); err != nil {
		t.Fatal(err)
	}
	if a := again.Add(l.body(t, 20, 40)); a.Status != http.StatusInternalServerError {
		t.Errorf("with a damaged state: %+v", a)
	}
}

// TestKeysOfShards: the key of a log is for its shards and for nothing else below its name.
func TestKeysOfShards(t *testing.T) {
	l := newLog(origin, 1)
	w := opened(t, t.TempDir(), witnessSigner(t, "w", 7), l.vkey(t, logName))
	for name, want := range map[string]int{
		origin: 1, logName + "/2027q1-2": 1, logName: 1, logName + "/2027q5": 0, logName + "/x/2027q1": 0, logName + "x/2027q1": 0,
		logName + "/2027q1-1000000000000": 0, "2027q1": 0,
	} {
		if got := w.verifiers(name); len(got) != want {
			t.Errorf("%s: %d keys, want %d", name, len(got), want)
		}
	}
}

// network sends to handlers by host.
type network map[string]http.Handler

func (n network) Post(_ context.Context, m outbound.Message) (outbound.Answer, error) {
	host, path, _ := strings.Cut(strings.TrimPrefix(m.URL, "https://"), "/")
	h := n[host]
	if h == nil {
		return outbound.Answer{}, errors.New("connection refused")
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/"+path, strings.NewReader(m.Body)))
	return outbound.Answer{Status: rec.Code, Body: rec.Body.Bytes()}, nil
}

// TestACircle: a log with two witnesses of which one is down and one is wanted is cosigned;
// when the other is back it catches up by itself; a witness that answers nonsense counts for
// nothing.
func TestACircle(t *testing.T) {
	l := newLog(origin, 1)
	l.add(t, entries(0, 300)...)
	now := start
	a, b := witnessSigner(t, "witness.example/a", 7), witnessSigner(t, "witness.example/b", 8)
	wa, wb := opened(t, t.TempDir(), a, l.vkey(t, logName)), opened(t, t.TempDir(), b, l.vkey(t, logName))
	net := network{"a.example": wa.Handler()}
	peers := []Peer{{a.Verifier, "https://a.example"}, {b.Verifier, "https://b.example"}}
	circle, err := NewCircle(peers, 1, net, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	cosigned := func(raw []byte) (names []string) {
		t.Helper()
		if raw == nil {
			return nil
		}
		found, err := cosign.Open(raw, circle.Verifiers()...)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range found {
			names = append(names, c.Witness)
		}
		return names
	}
	raw, err := circle.Ask(t.Context(), l.checkpoint(t, 300), l.fetch)
	if err != nil || !slices.Equal(cosigned(raw), []string{"witness.example/a"}) {
		t.Fatalf("%q, %v", raw, err)
	}
	if up := circle.Up(); !up["witness.example/a"] || up["witness.example/b"] {
		t.Errorf("up: %v", up)
	}
	both, err := NewCircle(peers, 2, net, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := both.Ask(t.Context(), l.checkpoint(t, 300), l.fetch); !errors.Is(err, ErrTooFew) {
		t.Errorf("two are wanted and one is down: %v", err)
	}
	net["b.example"] = wb.Handler()
	l.add(t, entries(300, 700)...)
	if raw, err = circle.Ask(t.Context(), l.checkpoint(t, 700), l.fetch); err != nil || len(cosigned(raw)) != 1 {
		t.Errorf("it is asked again before its time: %q, %v", raw, err)
	}
	now = now.Add(time.Minute)
	if raw, err = circle.Ask(t.Context(), l.checkpoint(t, 700), l.fetch); err != nil || len(cosigned(raw)) != 2 {
		t.Errorf("b does not catch up: %q, %v", raw, err)
	}
	fork := newLog(origin, 1)
	fork.add(t, entries(5000, 5800)...)
	now = now.Add(time.Minute)
	if raw, err := circle.Ask(t.Context(), fork.checkpoint(t, 800), fork.fetch); !errors.Is(err, ErrTooFew) {
		t.Errorf("a fork is cosigned: %q, %v", raw, err)
	}
	for name, h := range map[string]http.HandlerFunc{
		"nothing":                       func(http.ResponseWriter, *http.Request) {},
		"a page":                        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html>") },
		"a signature of another":        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "— x AAAAAAAA\n") },
		"a conflict without a size":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(409) },
		"a conflict, again and again":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(409); fmt.Fprint(w, "3\n") },
		"a size that is larger than it": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(409); fmt.Fprint(w, "9999\n") },
	} {
		one, err := NewCircle(peers[:1], 1, network{"a.example": h}, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		if raw, err := one.Ask(t.Context(), l.checkpoint(t, 700), l.fetch); !errors.Is(err, ErrTooFew) {
			t.Errorf("%s: %q, %v", name, raw, err)
		}
	}
}

func TestParsePeers(t *testing.T) {
	a, b := witnessSigner(t, "witness.example/a", 7).VerifierKey(), witnessSigner(t, "witness.example/b", 8).VerifierKey()
	logKey := newLog(origin, 1).vkey(t, origin)
	for name, row := range map[string]struct {
		text string
		want int // -1 is refused
	}{
		"two and a note": {"# nhân chứng\n" + a + " https://a.example/w/\n\n" + b + " http://localhost:9000\n", 2},
		"none":           {"", 0},
		"no URL":         {a, -1}, "no key": {"https://a.example", -1}, "plain HTTP": {a + " http://a.example", -1},
		"the key of a log": {logKey + " https://a.example", -1}, "twice": {a + " https://a.example\n" + a + " https://b.example", -1},
		"a user": {a + " https://u:p@a.example", -1}, "a query": {a + " https://a.example/?a=b", -1},
	} {
		peers, err := ParsePeers([]byte(row.text))
		if got := len(peers); err == nil && got != row.want || err != nil && row.want >= 0 {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	var many strings.Builder
	for i := range maxPeers + 1 {
		fmt.Fprintln(&many, witnessSigner(t, fmt.Sprint("w", i), byte(i)).VerifierKey(), "https://a.example")
	}
	if _, err := ParsePeers([]byte(many.String())); err == nil {
		t.Error("more witnesses than the bound are taken")
	}
	if _, err := NewCircle(nil, 1, nil, nil); err == nil {
		t.Error("one of none is wanted")
	}
}

func FuzzAdd(f *testing.F) {
	l := newLog(origin, 1)
	l.add(f, entries(0, 40)...)
	f.Add(l.body(f, 0, 5))
	f.Add(l.body(f, 5, 40))
	f.Add([]byte("old 1\n\n"))
	known := map[string]bool{}
	for size := int64(1); size <= 40; size++ {
		root, err := tlog.TreeHash(size, l)
		if err != nil {
			f.Fatal(err)
		}
		known[fmt.Sprint(size, hex.EncodeToString(root[:]))] = true
	}
	w := opened(f, f.TempDir(), witnessSigner(f, "w", 7), l.vkey(f, logName))
	f.Fuzz(func(t *testing.T, body []byte) {
		if a := w.Add(body); a.Status != http.StatusOK {
			return
		}
		r, err := parseRequest(body)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := proof.ParseCheckpoint(r.checkpoint); err != nil || !known[fmt.Sprint(c.Size, hex.EncodeToString(c.Root[:]))] {
			t.Fatalf("cosigned: %q, %v", body, err)
		}
	})
}

func FuzzParsePeers(f *testing.F) {
	f.Add("# a\nwitness.example+00000000+AAAA https://a.example\n")
	f.Fuzz(func(t *testing.T, text string) {
		peers, err := ParsePeers([]byte(text))
		if err == nil && len(peers) > maxPeers {
			t.Fatal(len(peers))
		}
		for _, p := range peers {
			if !strings.HasPrefix(p.URL, "http") {
				t.Fatal(p.URL)
			}
		}
	})
}

// TestTilesOfTheLog: consistency from tiles, also where a partial tile was replaced by the
// full one, and not from tiles of another tree.
func TestTilesOfTheLog(t *testing.T) {
	l := newLog(origin, 1)
	l.add(t, entries(0, 700)...)
	older, err := proof.ParseCheckpoint(l.checkpoint(t, 300))
	if err != nil {
		t.Fatal(err)
	}
	newer, err := proof.ParseCheckpoint(l.checkpoint(t, 700))
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := tiles.Consistency(t.Context(), l.fetch, 300, newer)
	if err != nil || tiles.CheckConsistency(hashes, older, newer) != nil {
		t.Fatalf("%v, %v", hashes, err)
	}
	l.add(t, entries(700, 800)...) // the partial tile of 188 hashes is gone, the full one is there
	hashes, err = tiles.Consistency(t.Context(), l.fetch, 300, newer)
	if err != nil || tiles.CheckConsistency(hashes, older, newer) != nil {
		t.Errorf("from a full tile: %v", err)
	}
	other := newLog(origin, 1)
	other.add(t, entries(1, 701)...)
	if _, err := tiles.Consistency(t.Context(), other.fetch, 300, newer); err == nil {
		t.Error("made from tiles of another tree")
	}
	for name, row := range map[string]struct{ older, newer proof.Checkpoint }{
		"the wrong way round": {newer, older}, "of another log": {proof.Checkpoint{Origin: "x", Size: 300, Root: older.Root}, newer},
		"of another root": {proof.Checkpoint{Origin: origin, Size: 300, Root: newer.Root}, newer},
	} {
		if err := tiles.CheckConsistency(hashes, row.older, row.newer); !errors.Is(err, proof.ErrInconsistent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
