package remote

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/copyseal"
	"hopnhat/store/storetest"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/copies"
)

const log = "hopnhat.example/release/dc1"

func identity(t testing.TB, seed byte, site string, now func() time.Time) *Identity {
	t.Helper()
	i, err := NewIdentity(bytes.Repeat([]byte{seed}, 32), site, now)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// writer is a real log in a folder.
type writer struct {
	*tlog.Shards
	archive *tlog.Archive
}

func (w writer) Status(ctx context.Context) (Status, error) {
	keys, err := w.archive.Keys()
	s := Status{Origin: w.Current().Origin(), Keys: keys}
	if err := w.Health(ctx); err != nil {
		s.Cause, s.Code = err.Error(), tlog.Code(err)
	}
	return s, err
}

func (w writer) Files(shard string) (tlog.Files, error) {
	n, err := tlog.ParseName(log, log+"/"+shard)
	if err != nil || !w.archive.Has(n) {
		return nil, authz.ErrNotFound
	}
	return tlog.Folder(n.Dir(w.archive.Dir)), nil
}

func openWriter(t testing.TB) writer {
	t.Helper()
	db := storetest.SQLite(t, nil)
	dir := t.TempDir()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	w := writer{archive: &tlog.Archive{Log: log, Dir: filepath.Join(dir, "tlog"), KeyFile: filepath.Join(dir, "log.vkey")}}
	var err error
	w.Shards, err = tlog.OpenShards(t.Context(), tlog.ShardsOptions{
		Explain: func(context.Context, string, uint64, [][]byte) ([]uint64, error) { return nil, nil },
		Archive: w.archive, Heads: db.Heads, Writer: "w", KnownSize: db.KnownLogSize, CheckpointInterval: 100 * time.Millisecond,
		Key: func(string, string) (tlog.Key, error) {
			return tlog.Key{
				Public: private.Public().(ed25519.PublicKey),
				Sign:   func(_ context.Context, m []byte) ([]byte, error) { return ed25519.Sign(private, m), nil },
			}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close(context.Background()) })
	return w
}

// serve serves a writer until the test ends, and gives its address.
func serve(t testing.TB, i *Identity, w Writer) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := Serve(l, i, w)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String(), func() { server.Close() }
}

func dial(t testing.TB, address string, i *Identity) *Client {
	t.Helper()
	c := Dial(address, i)
	t.Cleanup(c.Close)
	return c
}

// TestAppendingAndReadingFromAfar: entries of many callers are in the log, each once, and
// have proofs that are read from the writer.
func TestAppendingAndReadingFromAfar(t *testing.T) {
	w := openWriter(t)
	var requests atomic.Int64
	address, _ := serve(t, identity(t, 1, "dc1", time.Now), counting{w, &requests})
	c := dial(t, address, identity(t, 1, "dc1", time.Now))
	const callers, each = 32, 20
	var all sync.WaitGroup
	var mu sync.Mutex
	places := map[audit.Place]string{}
	for n := range callers {
		all.Go(func() {
			for i := range each {
				entry := fmt.Sprintf("entry %d of %d", i, n)
				place, err := c.Append(t.Context(), audit.Entry{Leaf: []byte(entry)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if other, twice := places[place]; twice {
					t.Errorf("%v is the place of %q and %q", place, other, entry)
				}
				places[place] = entry
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if size, err := w.Current().Size(t.Context()); err != nil || size != callers*each {
		t.Fatalf("the log holds %d entries, %v", size, err)
	}
	s, err := c.Status(t.Context())
	if err != nil || s.Origin != log+"/"+tlog.Shard(time.Now()) || s.Cause != "" || len(s.Keys) != 1 {
		t.Fatalf("status %+v, %v", s, err)
	}
	r, err := tlog.OpenGrowing(c.Files(tlog.Shard(time.Now())), s.Keys...)
	if err != nil {
		t.Fatal(err)
	}
	for place, entry := range places {
		if place.Index%100 != 0 {
			continue
		}
		if _, err := r.Proof(t.Context(), place.Index); err != nil {
			t.Errorf("the proof of %v: %v", place, err)
		}
		if got, err := r.Entries(t.Context(), place.Index, 1); err != nil || string(got[0]) != entry {
			t.Errorf("entry %v is %q, %v", place, got, err)
		}
	}
}

// counting counts the entries that are appended at one time.
type counting struct {
	Writer
	n *atomic.Int64
}

func (c counting) Append(ctx context.Context, entry audit.Entry) (audit.Place, error) {
	c.n.Add(1)
	return c.Writer.Append(ctx, entry)
}

// TestALostAnswerIsNoSecondEntry: the connection breaks after the entries were written and
// before the answer came; the request is made again, and the places are those of before.
func TestALostAnswerIsNoSecondEntry(t *testing.T) {
	w := openWriter(t)
	i := identity(t, 1, "dc1", time.Now)
	var broken atomic.Int64
	handler := NewHandler(w)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{TLSConfig: i.Server(), Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/entries" && broken.Add(1)%2 == 1 {
			handler.ServeHTTP(lost{}, r)
			panic(http.ErrAbortHandler)
		}
		handler.ServeHTTP(rw, r)
	})}
	go func() { _ = server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { server.Close() })
	c := dial(t, l.Addr().String(), i)
	for n := range uint64(5) {
		place, err := c.Append(t.Context(), audit.Entry{Leaf: fmt.Appendf(nil, "entry %d", n)})
		if err != nil || place.Index != n {
			t.Fatalf("entry %d stands at %v, %v", n, place, err)
		}
	}
	if size, err := w.Current().Size(t.Context()); err != nil || size != 5 {
		t.Errorf("the log holds %d entries, %v; want 5", size, err)
	}
}

// lost is an answer that nobody gets.
type lost struct{}

func (lost) Header() http.Header         { return http.Header{} }
func (lost) Write(b []byte) (int, error) { return len(b), nil }
func (lost) WriteHeader(int)             {}

// TestCopiesFromAfar: the copy of an event comes to the writer with its leaf and is erased
// there; a writer of the release before is sent the leaf alone; and who does not have the shard
// says so.
func TestCopiesFromAfar(t *testing.T) {
	w := openWriter(t)
	i := identity(t, 1, "dc1", time.Now)
	address, _ := serve(t, i, w)
	leaf, sealed := []byte("a leaf"), []byte("a sealed event")
	place, err := dial(t, address, i).Append(t.Context(), audit.Entry{Leaf: leaf, Copy: sealed})
	if err != nil {
		t.Fatal(err)
	}
	n, err := tlog.ParseName(log, place.Origin)
	if err != nil {
		t.Fatal(err)
	}
	kept := func() copies.Record {
		t.Helper()
		found, err := copies.Of(n.Dir(w.archive.Dir)).Read(0)
		if err != nil {
			t.Fatal(err)
		}
		return found[place.Index]
	}
	if got := kept(); !bytes.Equal(got.Copy, sealed) || got.Leaf != copyseal.LeafHash(leaf) {
		t.Errorf("beside the leaf stands %q", got.Copy)
	}
	before, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := NewHandler(w)
	server := &http.Server{TLSConfig: i.Server(), Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/entries" {
			http.NotFound(rw, r)
			return
		}
		handler.ServeHTTP(rw, r)
	})}
	go func() { _ = server.ServeTLS(before, "", "") }()
	t.Cleanup(func() { server.Close() })
	at, err := dial(t, before.Addr().String(), i).Append(t.Context(), audit.Entry{Leaf: []byte("another"), Copy: sealed})
	if err != nil || at.Index != 1 {
		t.Errorf("at a writer of the release before: %v, %v", at, err)
	}
	c := dial(t, address, i)
	if err := c.Erase(t.Context(), place, 1, copyseal.LeafHash(leaf)); err != nil || !kept().Erased() {
		t.Errorf("it is not erased: %v", err)
	}
	place.Origin = log + "/1999q1"
	if err := c.Erase(t.Context(), place, 1, copyseal.LeafHash(leaf)); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("a shard that is not here: %v", err)
	}
}

// TestWhoIsLetIn: nodes of the site, whenever their certificates were made, and nobody else.
func TestWhoIsLetIn(t *testing.T) {
	w := openWriter(t)
	now := time.Now()
	clock := func(d time.Duration) func() time.Time { return func() time.Time { return now.Add(d) } }
	address, _ := serve(t, identity(t, 1, "dc1", clock(0)), w)
	for _, row := range []struct {
		name string
		i    *Identity
		in   bool
	}{
		{"a node of the site", identity(t, 1, "dc1", clock(0)), true},
		{"one whose clock is behind by half an hour", identity(t, 1, "dc1", clock(-30*time.Minute)), true},
		{"one whose clock is ahead by half an hour", identity(t, 1, "dc1", clock(30*time.Minute)), true},
		{"one whose certificate has expired", identity(t, 1, "dc1", clock(-leafLife-time.Hour)), false},
		{"a node of another site", identity(t, 2, "dc2", clock(0)), false},
	} {
		_, err := dial(t, address, row.i).Status(t.Context())
		if (err == nil) != row.in {
			t.Errorf("%s: %v", row.name, err)
		}
		if err != nil && !errors.Is(err, authz.ErrUnavailable) {
			t.Errorf("%s: %v, want %v", row.name, err, authz.ErrUnavailable)
		}
	}
	for name, config := range map[string]func() *http.Transport{
		"without a certificate": func() *http.Transport {
			c := identity(t, 1, "dc1", time.Now).Client()
			c.GetClientCertificate = nil
			return &http.Transport{TLSClientConfig: c}
		},
		"without TLS": func() *http.Transport { return &http.Transport{} },
	} {
		scheme := "https://"
		if name == "without TLS" {
			scheme = "http://"
		}
		answer, err := (&http.Client{Transport: config()}).Get(scheme + address + "/status")
		if err == nil {
			answer.Body.Close()
		}
		if err == nil && answer.StatusCode == http.StatusOK {
			t.Errorf("%s: let in", name)
		}
	}
}

// TestANodeRenewsItsCertificate, which lives two days, at half of its life.
func TestANodeRenewsItsCertificate(t *testing.T) {
	now := time.Now()
	i := identity(t, 1, "dc1", func() time.Time { return now })
	first, err := i.certificate()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		after time.Duration
		same  bool
	}{{0, true}, {leafLife/2 - time.Minute, true}, {leafLife/2 + time.Minute, false}} {
		now = first.Leaf.NotBefore.Add(leafBefore + row.after)
		if next, err := i.certificate(); err != nil || (next == first) != row.same {
			t.Errorf("after %s: another one (%v), %v", row.after, next != first, err)
		}
	}
}

// TestAWriterThatIsAway is told as such, and at once.
func TestAWriterThatIsAway(t *testing.T) {
	w := openWriter(t)
	i := identity(t, 1, "dc1", time.Now)
	address, stop := serve(t, i, w)
	c := dial(t, address, i)
	if _, err := c.Append(t.Context(), audit.Entry{Leaf: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err := c.Append(t.Context(), audit.Entry{Leaf: []byte("two")}); !errors.Is(err, authz.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Status(t.Context()); !errors.Is(err, authz.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// refusing is a writer that is none.
type refusing struct{ Writer }

func (refusing) Append(context.Context, audit.Entry) (audit.Place, error) {
	return audit.Place{}, errors.New("not the writer")
}

// TestAWriterThatRefuses: no place is given for any entry.
func TestAWriterThatRefuses(t *testing.T) {
	i := identity(t, 1, "dc1", time.Now)
	address, _ := serve(t, i, refusing{})
	if place, err := dial(t, address, i).Append(t.Context(), audit.Entry{Leaf: []byte("one")}); !errors.Is(err, authz.ErrUnavailable) ||
		!strings.Contains(err.Error(), "not the writer") {
		t.Errorf("got %v, %v", place, err)
	}
}

// TestWhatIsServed: files of shards and nothing beside them.
func TestWhatIsServed(t *testing.T) {
	w := openWriter(t)
	if _, err := w.Append(t.Context(), audit.Entry{Leaf: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	shard := tlog.Shard(time.Now())
	if err := os.WriteFile(filepath.Join(w.archive.Dir, "secret"), []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	handler := NewHandler(w)
	for _, row := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/shards/" + shard + "/tile/entries/000.p/1", "", 200},
		{"GET", "/shards/" + shard + "/tile/0/000.p/1", "", 200},
		{"GET", "/shards/" + shard + "/tile/0/000", "", 404},
		{"GET", "/shards/" + shard + "/.state/treeState", "", 404},
		{"GET", "/shards/" + shard + "/.hopnhat.lock", "", 404},
		{"GET", "/shards/" + shard + "/tile/%2e%2e/%2e%2e/secret", "", 404},
		{"GET", "/shards/1999q1/checkpoint", "", 404},
		{"GET", "/shards/..%2f" + shard + "/checkpoint", "", 404},
		{"GET", "/status", "", 200},
		{"GET", "/append", "", 405},
		{"POST", "/append", "", 400},
		{"POST", "/append", "\x00\x01", 400},
		{"POST", "/append", "\x00\x01a", 200},
		{"POST", "/append", strings.Repeat("\x00\x01a", maxEntries+1), 400},
		{"POST", "/append", strings.Repeat("x", maxBody+1), 413},
	} {
		r, err := http.NewRequestWithContext(t.Context(), row.method, "https://log"+row.path, strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		answer := &recorded{header: http.Header{}, status: 200}
		handler.ServeHTTP(answer, r)
		if answer.status != row.status || strings.Contains(answer.body.String(), "secret") {
			t.Errorf("%s %s: %d %.80q, want %d", row.method, row.path, answer.status, answer.body.String(), row.status)
		}
	}
}

// TestReadersKeepNoEntryOut: requests for files that take every slot there is for them, as
// many people who ask for proofs do, neither keep an entry out of the log nor make it look
// as if it did not work.
func TestReadersKeepNoEntryOut(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	handler := NewHandler(slow{openWriter(t), began, end})
	ask := func(method, path, body string) int {
		answer := &recorded{header: http.Header{}, status: http.StatusOK}
		handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
		return answer.status
	}
	file := "/shards/" + tlog.Shard(time.Now()) + "/checkpoint"
	var readers sync.WaitGroup
	for range maxRequests {
		readers.Go(func() { ask(http.MethodGet, file, "") })
		<-began
	}
	for _, row := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodGet, file, "", http.StatusServiceUnavailable},
		{http.MethodPost, "/append", "\x00\x01a", http.StatusOK},
		{http.MethodGet, "/status", "", http.StatusOK},
	} {
		if status := ask(row.method, row.path, row.body); status != row.status {
			t.Errorf("%s %s: %d, want %d", row.method, row.path, status, row.status)
		}
	}
	close(end)
	readers.Wait()
}

// slow is a writer whose files are not read before the end.
type slow struct {
	Writer
	began chan<- struct{}
	end   <-chan struct{}
}

func (s slow) Files(shard string) (tlog.Files, error) {
	s.began <- struct{}{}
	<-s.end
	return s.Writer.Files(shard)
}

type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *recorded) WriteHeader(status int)      { r.status = status }

// FuzzUnmarshal: what is read is what would be written, and within its bounds.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte("\x00\x01a\x00\x02bc"))
	f.Add([]byte("\x00\x00"))
	f.Add([]byte("\xff\xffa"))
	f.Add([]byte("\x00\x01a\x00\x00\x00\x01b\x00\x03xyz"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, with := range []bool{false, true} {
			entries, err := unmarshal(body, with)
			if err != nil {
				continue
			}
			if again := marshal(entries, with); !bytes.Equal(again, body) {
				t.Errorf("%x is read as %x", body, again)
			}
			if len(entries) > maxEntries || slices.ContainsFunc(entries, func(e audit.Entry) bool { return len(e.Leaf) == 0 }) {
				t.Errorf("%d entries", len(entries))
			}
		}
	})
}

// BenchmarkAppend compares appending here with appending from afar, by callers who wait.
func BenchmarkAppend(b *testing.B) {
	w := openWriter(b)
	i := identity(b, 1, "dc1", time.Now)
	address, _ := serve(b, i, w)
	for name, log := range map[string]audit.Log{"here": w, "from afar": dial(b, address, i)} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s, %d callers", name, callers), func(b *testing.B) {
				next := make(chan int)
				var all sync.WaitGroup
				for range callers {
					all.Go(func() {
						for n := range next {
							if _, err := log.Append(
								context.Background(), audit.Entry{Leaf: fmt.Appendf(nil, "%s %d %d %d", name, callers, b.N, n)},
							); err != nil {
								b.Error(err)
							}
						}
					})
				}
				for n := range b.N {
					next <- n
				}
				close(next)
				all.Wait()
			})
		}
	}
}
