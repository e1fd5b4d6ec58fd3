package lifecycle_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"hopnhat/keys"
	"hopnhat/keys/keytest"
	"hopnhat/keys/lifecycle"
)

// unprivileged is a store as the rotation role has it: keys can be seen and
// rotated, and not used.
type unprivileged struct{ *backend }

func (unprivileged) Derive(context.Context, keys.Use, string) ([]byte, error) {
	return nil, &keys.Outage{Cause: keys.PermissionDenied, Doing: "deriving"}
}

func stranger() *backend {
	return &backend{newest: 1, destroyed: map[int]bool{}, secret: "stranger-"}
}

// legacy is a ledger as the release before wrote it: with versions and no keyring.
// Where poisoned, a tool in a wrong folder has announced its own.
func legacy(t *testing.T, poisoned bool) *keytest.Ledger {
	t.Helper()
	ledger := &keytest.Ledger{}
	announce := func(id keys.KeyID, state keys.State, at time.Time) {
		if _, err := ledger.AnnounceKey(t.Context(), life(id, state, at)); err != nil {
			t.Fatal(err)
		}
	}
	announce("v1", keys.Active, ago(time.Hour))
	if poisoned {
		announce("stranger-v1", keys.Announced, ago(time.Minute))
	}
	return ledger
}

// TestALedgerIsOfOneKeyring: who opens it with other keys is refused, and nothing is
// announced or written.
func TestALedgerIsOfOneKeyring(t *testing.T) {
	own := func() keys.Store { return &backend{newest: 1, destroyed: map[int]bool{}} }
	begun := func(t *testing.T) *keytest.Ledger {
		n := newNation(t, 1)
		n.close()
		return n.ledger
	}
	for _, row := range []struct {
		name   string
		ledger func(t *testing.T) *keytest.Ledger
		store  keys.Store
		begin  bool
		node   string
		want   error
	}{
		{"a tool gives an empty ledger no keyring", func(*testing.T) *keytest.Ledger { return &keytest.Ledger{} }, own(), false, "", lifecycle.ErrNoKeyring},
		{"a server does", func(*testing.T) *keytest.Ledger { return &keytest.Ledger{} }, own(), true, "a", nil},
		{"a role that cannot name it does not", func(*testing.T) *keytest.Ledger { return &keytest.Ledger{} }, unprivileged{&backend{newest: 1}}, true, "", lifecycle.ErrNoKeyring},
		{"a tool with the keys of the ledger", begun, own(), false, "", nil},
		{"a tool with others", begun, stranger(), false, "", lifecycle.ErrForeignKeys},
		{"a server with others", begun, stranger(), true, "a", lifecycle.ErrForeignKeys},
		{"the rotation role sees the right keys", begun, unprivileged{&backend{newest: 1}}, false, "", nil},
		{"the rotation role sees others", begun, unprivileged{stranger()}, false, "", lifecycle.ErrForeignKeys},
		{"the keys that a ledger of the release before began with", func(t *testing.T) *keytest.Ledger { return legacy(t, false) }, own(), false, "", nil},
		{"others at a ledger of the release before", func(t *testing.T) *keytest.Ledger { return legacy(t, false) }, stranger(), true, "a", lifecycle.ErrForeignKeys},
		{"a poisoned ledger is of the keys it began with", func(t *testing.T) *keytest.Ledger { return legacy(t, true) }, own(), true, "a", nil},
		{"and not of those that were announced later", func(t *testing.T) *keytest.Ledger { return legacy(t, true) }, stranger(), true, "a", lifecycle.ErrForeignKeys},
	} {
		t.Run(row.name, func(t *testing.T) {
			ledger := row.ledger(t)
			before, _ := ledger.KeyVersions(t.Context())
			was, _ := ledger.Keyring(t.Context())
			k, err := lifecycle.Open(t.Context(), lifecycle.Options{
				Store: row.store, Ledger: ledger, Rules: rules, Node: row.node, Begin: row.begin, MayCreate: true,
				Tick: time.Hour, Now: func() time.Time { return noon }, Logger: silent,
			})
			if !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
				t.Fatalf("got %v, want %v", err, row.want)
			}
			if err == nil {
				defer k.Close()
				return
			}
			after, _ := ledger.KeyVersions(t.Context())
			nodes, _ := ledger.KeyNodes(t.Context(), time.Time{})
			is, _ := ledger.Keyring(t.Context())
			if len(after) != len(before) || is != was || len(nodes) != 0 {
				t.Fatalf("something was written: %v, keyring %q to %q, nodes %v", after, was, is, nodes)
			}
		})
	}
}

// TestAnAnnouncedVersionThatIsNotThereChangesNothing: the nodes sign, serve their
// set and are well, rotate by schedule as before, ask the store no oftener, and say
// it once each.
func TestAnAnnouncedVersionThatIsNotThereChangesNothing(t *testing.T) {
	n := newNation(t, 0)
	defer n.close()
	var said bytes.Buffer
	n.ledger = legacy(t, true)
	o := n.options("node")
	o.Logger = slog.New(slog.NewTextHandler(&said, nil))
	k, err := lifecycle.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	n.nodes = append(n.nodes, k)
	n.turns(t, 5)
	if err := k.Health(t.Context()); err != nil {
		t.Errorf("the node is ill: %v", err)
	}
	if set, err := k.Published(keys.TokenSigning); err != nil || len(set) != 1 {
		t.Errorf("the set is %v, %v", set, err)
	}
	key, err := k.Active(keys.TokenSigning, keys.ES256)
	if err != nil || key.KeyID != "v1" {
		t.Fatalf("%v signs, %v", key, err)
	}
	if _, err := k.Sign(t.Context(), keys.Job{Key: key}); err != nil {
		t.Error(err)
	}
	if got := strings.Count(said.String(), "stranger-v1"); got != 1 {
		t.Errorf("said %d times:\n%s", got, &said)
	}
	if k.Missing() != 0 || k.Unseen() != 1 {
		t.Errorf("missing %d, unseen %d", k.Missing(), k.Unseen())
	}
	n.now = n.now.Add(every)
	n.turns(t, 12)
	n.now = n.now.Add(lead)
	n.turns(t, 2)
	if key, err := k.Active(keys.TokenSigning, keys.ES256); err != nil || key.KeyID != "v2" {
		t.Errorf("the scheduled rotation was held up: %v signs, %v", key, err)
	}
	// The way out: it is revoked by an operator with the right keys.
	done, err := n.operator(t).Commands().Revoke(t.Context(), "stranger-v1", "announced from a wrong folder", false)
	if err != nil || done.Version.KeyID != "stranger-v1" || !errors.Is(done.Destroyed, lifecycle.ErrNotInStore) || done.Successor != "" {
		t.Fatalf("%+v, %v", done, err)
	}
	n.turns(t, 1)
	if k.Unseen() != 0 {
		t.Error("it is still there")
	}
}
