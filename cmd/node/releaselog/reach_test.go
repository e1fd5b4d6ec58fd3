package releaselog

import (
	"errors"
	"os"
	"strings"
	"testing"

	"hopnhat/authz/audit"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestAToolWritesTheLog: at the writer, by the socket of a state folder that both share or by
// the address that the writer has for others, and in the seat of the writer where there is
// none, which it leaves; one that can do none of these says so.
func TestAToolWritesTheLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keyring := newRing()
		o := options(t, db, keyring, true)
		elsewhere := options(t, db, keyring, false) // another machine
		takes := func(name string, o Options, index uint64) {
			t.Helper()
			r, err := Reach(t.Context(), o)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			place, err := r.Consent.Append(t.Context(), audit.Entry{Leaf: []byte("by a tool " + name)})
			if err != nil || place.Index != index || !strings.HasPrefix(place.Origin, ConsentOrigin(origin)+"/") {
				t.Errorf("%s: it stands at %v, %v", name, place, err)
			}
			if _, err := r.Release.Append(t.Context(), audit.Entry{Leaf: []byte("out by a tool " + name)}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := r.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if r, err := Reach(t.Context(), o); !errors.Is(err, ErrUnwritten) {
			t.Errorf("without a node and a folder: %v, %v", r, err)
		}
		l, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		takes("by the socket", o, 0)
		takes("by the address", elsewhere, 1)
		if info, err := os.Stat(socket(o.State)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket: %v, %v", info, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		takes("in the seat", o, 2)
		takes("in the seat again", o, 3)
		if holder, err := db.Holder(t.Context(), site); err != nil || holder != (store.Holder{}) {
			t.Errorf("the seat is not left: %v, %v", holder, err)
		}
		again := opened(t, o)
		if place := consented(t, again, "agreed"); place.Index != 4 {
			t.Errorf("the next node goes on at %v", place)
		}
	})
}

// TestAToolLeavesALivingWriterAlone: one that shows itself, and whose logs the tool does not
// reach, keeps its seat, though the folder is here.
func TestAToolLeavesALivingWriterAlone(t *testing.T) {
	db := storetest.SQLite(t, nil)
	o := options(t, db, newRing(), false)
	l := opened(t, o)
	l.closeServer()
	if r, err := Reach(t.Context(), o); !errors.Is(err, ErrUnwritten) || !strings.Contains(err.Error(), l.self.Place) {
		t.Errorf("it got %v, %v", r, err)
	}
	if err := l.showSite(t.Context()); err != nil {
		t.Errorf("the node lost its seat: %v", err)
	}
}
