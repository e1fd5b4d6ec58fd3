// Package shelf has the bundles that this server made of what it knows: a folder in which each lies
// as it was signed, the last ones with the deltas to the newest. They are given out as files:
// asking for one costs neither a signature nor a look into the database.
package shelf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"hopnhat/authz/protocol"
	"hopnhat/federation"
	"hopnhat/federation/bundle"
	"hopnhat/federation/bundle/delta"
	"hopnhat/federation/bundle/order"
	"hopnhat/keys"
	"hopnhat/keys/durable"
)

// FolderName is that of the folder in the state folder.
const FolderName = "federation-bundles"

// Media types of a bundle and of a delta to it.
const (
	MediaType = "application/vnd.hopnhat.federation-bundle"
	DeltaType = "application/vnd.hopnhat.federation-bundle-delta"
)

// Bases is how many bundles before the newest stay, each with a delta to it.
const Bases = 5

// Part is how many bytes one answer has at most: a longer document comes in parts.
const Part = 4 << 20

// What is given out stands in memory until the caller has it, up to half a minute. So many bytes
// are given out at once, and so many more each second, to all callers together.
const (
	outAtOnce = 24 * Part
	outEach   = Part
)

// Callers limits how often one address may ask.
type Callers interface {
	Take(address netip.Addr) (wait time.Duration)
}

// Options say what a Shelf is made of.
type Options struct {
	// Folder is made if it is not there. One process uses it.
	Folder string
	// Issuer signs with the federation keys of Ring, as a trust anchor.
	Issuer federation.EntityID
	Ring   keys.Ring
	Order  order.Order
	// Callers is nil where nobody is limited.
	Callers Callers
	Now     func() time.Time
}

// Shelf makes bundles and gives them out. It is safe for concurrent use.
type Shelf struct {
	o      Options
	out    *rate.Limiter // of bytes
	making sync.Mutex
}

// New makes a Shelf, with the bundles that lie in its folder.
func New(o Options) (*Shelf, error) {
	if err := os.MkdirAll(o.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("the folder of bundles: %w", err)
	}
	err := errors.Join(durable.Tidy(filepath.Join(o.Folder, "*"+wholeEnd)), durable.Tidy(filepath.Join(o.Folder, "*"+deltaEnd)))
	return &Shelf{o: o, out: rate.NewLimiter(outEach, outAtOnce)}, err
}

// Names of files: the serial, then what it is. A delta has the digest of its base.
const (
	wholeEnd = ".bundle"
	deltaEnd = ".delta"
)

// serials are those of the bundles that lie here, the newest first.
func (s *Shelf) serials() ([]int64, error) {
	entries, err := os.ReadDir(s.o.Folder)
	if err != nil {
		return nil, err
	}
	var all []int64
	for _, e := range entries {
		name, whole := strings.CutSuffix(e.Name(), wholeEnd)
		if serial, err := strconv.ParseInt(name, 10, 64); whole && err == nil && serial > 0 {
			all = append(all, serial)
		}
	}
	slices.Sort(all)
	slices.Reverse(all)
	return all, nil
}

func (s *Shelf) whole(serial int64) string {
	return filepath.Join(s.o.Folder, strconv.FormatInt(serial, 10)+wholeEnd)
}

func (s *Shelf) delta(serial int64, base string) string {
	return filepath.Join(s.o.Folder, strconv.FormatInt(serial, 10)+"."+base+deltaEnd)
}

// Made is when the newest bundle was made; zero if there is none.
func (s *Shelf) Made() (time.Time, error) {
	all, err := s.serials()
	if err != nil || len(all) == 0 {
		return time.Time{}, err
	}
	info, err := os.Stat(s.whole(all[0]))
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Make signs a bundle of a content and lays it on the shelf, with deltas from those before it. The
// bundle itself comes last: who asks meanwhile gets the one before. Older ones go.
func (s *Shelf) Make(ctx context.Context, content []byte) error {
	s.making.Lock()
	defer s.making.Unlock()
	now := s.o.Now()
	serial, err := s.o.Order.Next(ctx, s.o.Issuer, now)
	if err != nil {
		return err
	}
	signed, err := bundle.Sign(ctx, s.o.Ring, s.o.Issuer, content, serial, now)
	if err != nil {
		return err
	}
	if err := s.o.Order.Raise(ctx, s.o.Issuer, bundle.PlaceOf(content, serial, now)); err != nil {
		return err
	}
	before, err := s.serials()
	if err != nil {
		return err
	}
	line, _, _ := bytes.Cut(signed, []byte("\n"))
	if err := s.step(content, serial, line, content); err != nil { // who has it already gets next to nothing
		return err
	}
	for _, old := range before[:min(len(before), Bases)] {
		raw, err := os.ReadFile(s.whole(old))
		if err != nil {
			return err
		}
		_, base, _ := bytes.Cut(raw, []byte("\n"))
		if err := s.step(base, serial, line, content); err != nil {
			return err
		}
	}
	if err := durable.Replace(s.whole(serial), signed, 0o400); err != nil {
		return err
	}
	return s.tidy(append([]int64{serial}, before...))
}

// step writes the delta from a base to a content: the line with the signature of the new bundle,
// and the delta after it.
func (s *Shelf) step(base []byte, serial int64, line, content []byte) error {
	steps, err := delta.Make(base, content)
	if errors.Is(err, delta.ErrTooLong) {
		return nil
	}
	if err != nil {
		return err
	}
	return durable.Replace(s.delta(serial, delta.Digest(base)), append(append(slices.Clone(line), '\n'), steps...), 0o400)
}

// tidy takes away what is not given out any more.
func (s *Shelf) tidy(serials []int64) error {
	var gone []error
	for _, old := range serials[min(len(serials), Bases+1):] {
		gone = append(gone, os.Remove(s.whole(old)))
	}
	deltas, err := filepath.Glob(filepath.Join(s.o.Folder, "*"+deltaEnd))
	newest := filepath.Base(s.whole(serials[0]))
	for _, name := range deltas {
		if !strings.HasPrefix(filepath.Base(name), strings.TrimSuffix(newest, wholeEnd)+".") {
			gone = append(gone, os.Remove(name))
		}
	}
	return errors.Join(append(gone, err)...)
}

// ServeHTTP gives out the newest bundle, or with the parameter `base` the delta from the bundle
// with that digest. Both have an ETag and are had in parts (RFC 9110 §13.1.2, §14.2).
func (s *Shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "invalid_request", "The endpoint is asked with GET.")
		return
	}
	if wait := s.wait(r); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int((wait+time.Second-1)/time.Second))))
		refuse(w, http.StatusTooManyRequests, "temporarily_unavailable", "Too many requests for bundles. Ask again after the time in Retry-After.")
		return
	}
	f, kind, err := s.open(r.URL.Query()["base"])
	if errors.Is(err, fs.ErrNotExist) {
		refuse(w, http.StatusNotFound, "not_found", "There is no bundle yet, or none with the digest in base. Ask without base.")
		return
	}
	if err != nil {
		slog.ErrorContext(r.Context(), "a bundle of the federation could not be given out", "error", err)
		refuse(w, http.StatusInternalServerError, "server_error", "The server could not answer. Try again later.")
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache")
	tag := strconv.Quote(filepath.Base(f.Name()))
	w.Header().Set("ETag", tag)
	if r.Method == http.MethodGet && r.Header.Get("If-None-Match") != tag && !s.admit(w, r, f) {
		return
	}
	http.ServeContent(w, r, "", time.Time{}, f)
}

// admit makes one part of what is asked for, which a server may (RFC 9110 §15.3.7), and lets it out
// if not too much is on its way. The whole of a long document, and several parts, are refused.
func (s *Shelf) admit(w http.ResponseWriter, r *http.Request, f *os.File) bool {
	info, err := f.Stat()
	size := int64(Part)
	if err == nil {
		size = min(size, info.Size())
	}
	asked := r.Header.Get("Range")
	var first, last int64
	_, wrong := fmt.Sscanf(asked, "bytes=%d-%d", &first, &last)
	switch {
	case asked == "" && err == nil && info.Size() <= Part:
	case wrong != nil || asked != fmt.Sprintf("bytes=%d-%d", first, last) || first < 0 || last < first || err != nil:
		refuse(w, http.StatusBadRequest, "invalid_request", "Ask for a part of at most 4 MB, with Range: bytes=FIRST-LAST.")
		return false
	default:
		size = min(size, last-first+1)
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, first+size-1))
		// Where the document is another, If-Range asks for all of it: the part says by its tag of
		// which document it is.
		r.Header.Del("If-Range")
	}
	if !s.out.AllowN(s.o.Now(), int(size)) {
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", "Too many are getting bundles at once. Ask again after the time in Retry-After.")
		return false
	}
	return true
}

func (s *Shelf) wait(r *http.Request) time.Duration {
	if s.o.Callers == nil {
		return 0
	}
	address, _ := netip.ParseAddr(r.RemoteAddr)
	return s.o.Callers.Take(address)
}

// open opens what is asked for. The error wraps fs.ErrNotExist if it is not there.
func (s *Shelf) open(bases []string) (*os.File, string, error) {
	all, err := s.serials()
	switch {
	case err != nil:
		return nil, "", err
	case len(all) == 0 || len(bases) > 1:
		return nil, "", fs.ErrNotExist
	case len(bases) == 0:
		f, err := os.Open(s.whole(all[0]))
		return f, MediaType, err
	case len(bases[0]) != 64 || strings.Trim(bases[0], "0123456789abcdef") != "":
		return nil, "", fs.ErrNotExist
	}
	f, err := os.Open(s.delta(all[0], bases[0]))
	return f, DeltaType, err
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	protocol.WriteJSON(w, status, map[string]string{"error": code, "error_description": text})
}
