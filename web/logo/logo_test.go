package logo

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/web/page"
)

// shelf has apps and their pictures.
type shelf struct {
	apps    map[authz.ClientID]*authz.Client
	raw     []byte
	fetched atomic.Int32
}

func (s *shelf) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	if c := s.apps[id]; c != nil {
		return c, nil
	}
	return nil, authz.ErrNotFound
}

func (s *shelf) Clients(context.Context, authz.ClientID, int) ([]*authz.Client, error) {
	return nil, errors.New("nobody asks for all")
}

func (s *shelf) Fetch(_ context.Context, address string, limit int64) ([]byte, error) {
	s.fetched.Add(1)
	if int64(len(s.raw)) > limit {
		return nil, errors.New("longer")
	}
	return s.raw, nil
}

func picture(t testing.TB, side int, write func(*bytes.Buffer, image.Image) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, image.NewRGBA(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(b *bytes.Buffer, m image.Image) error { return png.Encode(b, m) }

// TestLogos: an app that somebody vouches for has its logo, drawn anew and fetched
// once; another has none, and neither has what is no picture.
func TestLogos(t *testing.T) {
	vouched := authz.Verification{By: "operator", At: time.Now()}
	s := &shelf{apps: map[authz.ClientID]*authz.Client{
		"good":    {ID: "good", Described: authz.Described{LogoURI: "https://app.example/logo"}, Verified: vouched},
		"unknown": {ID: "unknown", Described: authz.Described{LogoURI: "https://app.example/logo"}},
		"none":    {ID: "none", Verified: vouched},
	}}
	if !vouched.Holds() {
		t.Fatal("this verification does not hold")
	}
	now := time.Now()
	for _, row := range []struct {
		name string
		id   authz.ClientID
		raw  []byte
		want bool
	}{
		{"PNG", "good", picture(t, 64, asPNG), true},
		{"JPEG", "good", picture(t, 64, func(b *bytes.Buffer, m image.Image) error { return jpeg.Encode(b, m, nil) }), true},
		{"GIF", "good", picture(t, 64, func(b *bytes.Buffer, m image.Image) error { return gif.Encode(b, m, nil) }), true},
		{"as large as may be", "good", picture(t, maxSide, asPNG), true},
		{"too large", "good", picture(t, maxSide+1, asPNG), false},
		{"too long", "good", make([]byte, maxFetched+1), false},
		{"SVG, which may hold scripts", "good", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), false},
		{"a page", "good", []byte("<!doctype html><script>alert(1)</script>"), false},
		{"half a picture", "good", picture(t, 64, asPNG)[:60], false},
		{"nobody vouches for the app", "unknown", picture(t, 64, asPNG), false},
		{"none is registered", "none", picture(t, 64, asPNG), false},
		{"no such app", "nobody", picture(t, 64, asPNG), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.raw = row.raw
			s.fetched.Store(0)
			l := New(s, s, func() time.Time { return now })
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					got, err := l.of(t.Context(), row.id)
					if err != nil || (len(got) > 0) != row.want {
						t.Errorf("%d bytes, %v, want one: %v", len(got), err, row.want)
					}
					if head, form, err := image.DecodeConfig(bytes.NewReader(got)); row.want &&
						(err != nil || form != "png" || head.Width < 1) {
						t.Errorf("what is shown is a %s: %v", form, err)
					}
				})
			}
			all.Wait()
			if n := s.fetched.Load(); n > 1 {
				t.Errorf("fetched %d times", n)
			}
			if path := page.LogoPath(
				&authz.Client{ID: "a/b", Described: authz.Described{LogoURI: "x"}, Verified: vouched},
			); path != "/logo/a%2Fb" {
				t.Errorf("it is at %q", path)
			}
		})
	}
	// Something strange in the file does not come along.
	hidden := append(picture(t, 8, asPNG), "<script>alert(1)</script>"...)
	if drawn, err := drawnAnew(hidden); err != nil || bytes.Contains(drawn, []byte("script")) {
		t.Errorf("what follows the picture came along: %v", err)
	}
}

// TestLogosStay: a stranger who names apps that are not there takes no logo out of what
// is kept, nor does one who leaves before it came keep it from others.
func TestLogosStay(t *testing.T) {
	s := &shelf{raw: picture(t, 8, asPNG), apps: map[authz.ClientID]*authz.Client{
		"good": {ID: "good", Described: authz.Described{LogoURI: "https://app.example/logo"}, Verified: authz.Verification{By: "operator", At: time.Now()}},
	}}
	l := New(s, s, time.Now)
	look := func(ctx context.Context, id authz.ClientID) int {
		got, _ := l.of(ctx, id)
		return len(got)
	}
	for range maxFetches {
		if err := l.fetches.Acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	look(left, "good")
	for range maxFetches {
		l.fetches.Release(1)
	}
	if look(t.Context(), "good") == 0 {
		t.Error("one who left kept the logo from others")
	}
	for i := range 2 * maxLogos {
		look(t.Context(), authz.ClientID(strconv.Itoa(i)))
	}
	if look(t.Context(), "good") == 0 || s.fetched.Load() != 1 {
		t.Errorf("fetched %d times", s.fetched.Load())
	}
}

// FuzzLogo: whatever an app serves as its logo, what we show is a small PNG.
func FuzzLogo(f *testing.F) {
	f.Add(picture(f, 2, asPNG))
	f.Add([]byte("GIF89a"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > maxFetched {
			return
		}
		drawn, err := drawnAnew(raw)
		if err != nil {
			return
		}
		if head, form, err := image.DecodeConfig(bytes.NewReader(drawn)); err != nil || form != "png" || head.Width > maxSide ||
			len(drawn) > maxDrawn {
			t.Fatalf("%s, %+v, %v", form, head, err)
		}
	})
}
