package envelope_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/keys"
	"hopnhat/keys/envelope"
)

// versions is a key store in memory: a data key is wrapped by naming it.
type versions struct {
	newest int
	data   map[string][]byte
	calls  int
	down   bool
}

func (v *versions) NewDataKey(context.Context) (plain, wrapped []byte, err error) {
	if v.calls++; v.down {
		return nil, nil, &keys.Outage{Cause: keys.Sealed, Doing: "making a data key"}
	}
	plain = make([]byte, 32)
	_, _ = rand.Read(plain)
	id := strconv.Itoa(len(v.data))
	v.data[id] = bytes.Clone(plain)
	return plain, fmt.Appendf(nil, "%d:%s", v.newest, id), nil
}

func (v *versions) OpenDataKey(_ context.Context, wrapped []byte) ([]byte, error) {
	if v.calls++; v.down {
		return nil, &keys.Outage{Cause: keys.Sealed, Doing: "opening a data key"}
	}
	_, id, _ := bytes.Cut(wrapped, []byte(":"))
	plain, ok := v.data[string(id)]
	if !ok {
		return nil, keys.ErrNotOurs
	}
	return bytes.Clone(plain), nil
}

func (v *versions) RewrapDataKey(_ context.Context, wrapped []byte) ([]byte, error) {
	v.calls++
	_, id, _ := bytes.Cut(wrapped, []byte(":"))
	return fmt.Appendf(nil, "%d:%s", v.newest, id), nil
}

func (v *versions) Stale(wrapped []byte) bool {
	version, _, _ := bytes.Cut(wrapped, []byte(":"))
	n, _ := strconv.Atoi(string(version))
	return n < v.newest
}

func TestManySecretsCostOneCall(t *testing.T) {
	v := &versions{newest: 1, data: map[string][]byte{}}
	e := envelope.New(v, nil)
	for i := range 100 {
		sealed, err := e.Seal(t.Context(), fmt.Appendf(nil, "secret %d", i), []byte("for an"))
		if err != nil {
			t.Fatal(err)
		}
		if plain, stale, err := e.Open(t.Context(), sealed, []byte("for an")); err != nil || stale ||
			string(plain) != fmt.Sprint("secret ", i) {
			t.Fatalf("got %q, %v, %v", plain, stale, err)
		}
	}
	if v.calls != 1 {
		t.Fatalf("%d calls, want 1", v.calls)
	}
}

func TestADataKeyIsReplacedAfterItsTimeAndAfterARotation(t *testing.T) {
	now := time.Unix(0, 0)
	v := &versions{newest: 1, data: map[string][]byte{}}
	e := envelope.New(v, func() time.Time { return now })
	seal := func() []byte {
		sealed, err := e.Seal(t.Context(), []byte("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	old := seal()
	now = now.Add(2 * time.Hour)
	seal()
	if len(v.data) != 2 {
		t.Fatalf("%d data keys after the time of one, want 2", len(v.data))
	}
	v.newest = 2
	seal()
	if len(v.data) != 3 {
		t.Fatalf("%d data keys after a rotation, want 3", len(v.data))
	}
	if _, stale, err := e.Open(t.Context(), old, nil); err != nil || !stale {
		t.Fatalf("under an old key: stale %v, %v", stale, err)
	}
	fresh, err := e.Rewrap(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	if plain, stale, err := e.Open(t.Context(), fresh, nil); err != nil || stale || string(plain) != "x" {
		t.Fatalf("wrapped anew: %q, stale %v, %v", plain, stale, err)
	}
}

func TestAnOutageIsNotAWrongSecret(t *testing.T) {
	now := time.Unix(0, 0)
	v := &versions{newest: 1, data: map[string][]byte{}}
	e := envelope.New(v, func() time.Time { return now })
	sealed, err := e.Seal(t.Context(), []byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	v.down = true
	if _, _, err := e.Open(t.Context(), sealed, nil); err != nil {
		t.Fatalf("a data key that is open goes on: %v", err)
	}
	now = now.Add(20 * time.Minute)
	if _, _, err := e.Open(t.Context(), sealed, nil); !errors.Is(err, keys.ErrUnavailable) || errors.Is(err, keys.ErrNotOurs) {
		t.Fatalf("got %v, want an outage", err)
	}
	e.Forget()
	if _, err := e.Seal(t.Context(), []byte("x"), nil); !errors.Is(err, keys.ErrUnavailable) {
		t.Fatalf("got %v, want an outage", err)
	}
}

// TestWhatWasAlteredDoesNotOpen: any other byte anywhere, any other aad.
func TestWhatWasAlteredDoesNotOpen(t *testing.T) {
	v := &versions{newest: 1, data: map[string][]byte{}}
	e := envelope.New(v, nil)
	rapid.Check(t, func(t *rapid.T) {
		plain, aad := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "plain"), rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(t, "aad")
		sealed, err := e.Seal(context.Background(), plain, aad)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := e.Open(context.Background(), sealed, aad); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("got %q, %v", got, err)
		}
		altered := bytes.Clone(sealed)
		altered[rapid.IntRange(0, len(sealed)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		if got, _, err := e.Open(context.Background(), altered, aad); err == nil && !bytes.Equal(got, plain) {
			t.Fatalf("opened %q", got)
		}
		if _, _, err := e.Open(context.Background(), sealed, append(aad, 1)); !errors.Is(err, keys.ErrNotOurs) {
			t.Fatalf("another aad: got %v", err)
		}
		if _, _, err := e.Open(
			context.Background(), sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "cut")], aad,
		); !errors.Is(err, keys.ErrNotOurs) {
			t.Fatalf("cut: got %v", err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	v := &versions{newest: 1, data: map[string][]byte{}}
	e := envelope.New(v, nil)
	sealed, err := e.Seal(context.Background(), []byte("x"), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{1, 255, 255})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if plain, _, err := e.Open(t.Context(), raw, nil); err == nil && string(plain) != "x" {
			t.Fatalf("opened %q", plain)
		}
	})
}
