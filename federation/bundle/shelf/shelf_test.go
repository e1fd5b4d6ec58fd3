package shelf_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/bundle"
	"hopnhat/federation/bundle/delta"
	"hopnhat/federation/bundle/order"
	"hopnhat/federation/bundle/shelf"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/trust"
)

const anchor = "https://neo.example.vn"

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// book is a database in memory.
type book struct{ place order.Place }

func (b *book) NewestBundle(context.Context, federation.EntityID) (order.Place, error) {
	return b.place, nil
}

func (b *book) RaiseBundle(_ context.Context, _ federation.EntityID, p order.Place) (bool, error) {
	b.place = p
	return true, nil
}

// made is a shelf of an anchor, whose keys anchors have.
func made(t *testing.T, now *time.Time, callers shelf.Callers) (s *shelf.Shelf, folder string, anchors []trust.Anchor) {
	t.Helper()
	ring, set := federationtest.Ring(t)
	state := t.TempDir()
	folder = filepath.Join(state, shelf.FolderName)
	s, err := shelf.New(shelf.Options{
		Folder: folder, Issuer: anchor, Ring: ring, Order: order.Order{Folder: state, Book: &book{}}, Callers: callers,
		Now: func() time.Time { return *now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, folder, []trust.Anchor{{ID: anchor, Keys: set}}
}

func content(version int) []byte {
	var lines []string
	for i := range 50 {
		lines = append(lines, fmt.Sprintf("%q", fmt.Sprintf("%d%s", i, strings.Repeat("x", 100))))
	}
	lines[version] = fmt.Sprintf("%q", fmt.Sprintf("version %d", version))
	return []byte(`{"statements":[` + strings.Join(lines, ",") + "]}\n")
}

func ask(s *shelf.Shelf, query string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/federation/bundle"+query, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// TestShelf: the newest bundle and the deltas to it are given out as they were signed, and each
// makes what the anchor signed.
func TestShelf(t *testing.T) {
	now := noon
	s, folder, anchors := made(t, &now, nil)
	if w := ask(s, ""); w.Code != http.StatusNotFound {
		t.Errorf("before the first: %d", w.Code)
	}
	for version := range shelf.Bases + 3 {
		now = now.Add(time.Hour)
		if err := s.Make(t.Context(), content(version)); err != nil {
			t.Fatal(err)
		}
	}
	newest := content(shelf.Bases + 2)
	whole := ask(s, "")
	b, err := bundle.Read(whole.Body.Bytes(), anchors, now)
	if kind := whole.Header().Get("Content-Type"); err != nil || whole.Code != http.StatusOK || kind != shelf.MediaType ||
		!bytes.Equal(b.Content, newest) {
		t.Fatalf("the newest: %d %s, %v", whole.Code, whole.Header(), err)
	}
	tag := whole.Header().Get("ETag")
	if w := ask(s, "", "If-None-Match", tag); tag == "" || w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("RFC 9110 §13.1.2: tag %s, %d", tag, w.Code)
	}
	want := whole.Body.Bytes()[10:20]
	if w := ask(s, "", "Range", "bytes=10-19", "If-Range", tag); w.Code != http.StatusPartialContent || !bytes.Equal(w.Body.Bytes(), want) {
		t.Errorf("RFC 9110 §14.2: %d, %q", w.Code, w.Body)
	}
	for version := range shelf.Bases + 3 {
		base := content(version)
		w := ask(s, "?base="+delta.Digest(base))
		if version < 2 {
			if w.Code != http.StatusNotFound {
				t.Errorf("the delta from bundle %d, which is gone: %d", version, w.Code)
			}
			continue
		}
		line, steps, _ := bytes.Cut(w.Body.Bytes(), []byte("\n"))
		got, err := delta.Apply(base, steps, bundle.MaxBytes)
		if err != nil || w.Header().Get("Content-Type") != shelf.DeltaType || w.Body.Len() > whole.Body.Len()/2 {
			t.Errorf("the delta from bundle %d: %d bytes, %v", version, w.Body.Len(), err)
		}
		if b, err := bundle.Read(append(append(line, '\n'), got...), anchors, now); err != nil || !bytes.Equal(b.Content, newest) {
			t.Errorf("what the delta from bundle %d makes: %v", version, err)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 2*(shelf.Bases+1) {
		t.Errorf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("%s can be changed: %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

// TestClockBack: a bundle that is made after the clock went back is not taken for a newer one.
func TestClockBack(t *testing.T) {
	now := noon
	s, _, anchors := made(t, &now, nil)
	var serials []int64
	for _, at := range []time.Time{noon, noon, noon.Add(time.Second)} {
		now = at
		if err := s.Make(t.Context(), content(1)); err != nil {
			t.Fatal(err)
		}
		b, err := bundle.Read(ask(s, "").Body.Bytes(), anchors, now)
		if err != nil {
			t.Fatal(err)
		}
		serials = append(serials, b.Serial)
	}
	if serials[0] >= serials[1] || serials[1] >= serials[2] {
		t.Errorf("serials %d do not rise", serials)
	}
	now = noon.Add(-time.Hour)
	if err := s.Make(t.Context(), content(1)); !errors.Is(err, order.ErrOlder) {
		t.Errorf("after the clock went back: %v", err)
	}
}

// TestParts: of a long bundle a part is given out and never all of it, and only so much at one
// time, since an answer stands in memory until the caller has it.
func TestParts(t *testing.T) {
	now := noon
	s, _, _ := made(t, &now, nil)
	long := append(append([]byte(`{"statements":["`), bytes.Repeat([]byte("x"), 2*shelf.Part)...), `"]}`...)
	if err := s.Make(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string][]string{
		"all of it": nil, "two parts": {"Range", "bytes=0-1,5-6"}, "the last bytes": {"Range", "bytes=-5"}, "an open part": {"Range", "bytes=0-"},
		"a part that ends before it begins": {"Range", "bytes=5-4"},
	} {
		if w := ask(s, "", header...); w.Code != http.StatusBadRequest || w.Body.Len() > 1000 {
			t.Errorf("%s: %d, %d bytes", name, w.Code, w.Body.Len())
		}
	}
	tag, out, busy := "", 0, false
	for range 50 {
		w := ask(s, "", "Range", "bytes=0-999999999", "If-Range", `"another"`)
		if busy = w.Code == http.StatusServiceUnavailable; busy {
			break
		}
		if tag = w.Header().Get("ETag"); w.Code != http.StatusPartialContent || w.Body.Len() != shelf.Part {
			t.Fatalf("RFC 9110 §15.3.7: %d, %d bytes", w.Code, w.Body.Len())
		}
		out += w.Body.Len()
	}
	if !busy || out > 200<<20 {
		t.Errorf("%d bytes were given out at once", out)
	}
	if w := ask(s, "", "If-None-Match", tag); w.Code != http.StatusNotModified {
		t.Errorf("what has not changed: %d", w.Code)
	}
}

// waiting lets nobody in.
type waiting struct{}

func (waiting) Take(netip.Addr) time.Duration { return 1500 * time.Millisecond }

// TestRefused: what is refused says why, and reaches no other file.
func TestRefused(t *testing.T) {
	now := noon
	s, _, _ := made(t, &now, nil)
	if err := s.Make(t.Context(), content(1)); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"?base=", "?base=..%2F..%2Fkeys", "?base=" + strings.Repeat("g", 64), "?base=a&base=b", "?base=" + strings.Repeat("0", 64)} {
		if w := ask(s, query); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "not_found") {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/federation/bundle", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
	limited, _, _ := made(t, &now, waiting{})
	if w := ask(limited, ""); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "2" {
		t.Errorf("RFC 6585 §4: %d, %q", w.Code, w.Header().Get("Retry-After"))
	}
}
