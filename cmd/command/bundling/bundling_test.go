package bundling

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/bundle"
	"hopnhat/federation/bundle/order"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/resolver"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/store/storetest"
)

type claims = federationtest.Claims

// nobody answers: a server that is cut off.
type nobody struct{}

var errNoAnswer = errors.New("no answer")

func (nobody) Configuration(context.Context, federation.EntityID) (statement.Statement, error) {
	return statement.Statement{}, errNoAnswer
}

func (nobody) Subordinate(context.Context, statement.Statement, federation.EntityID) (statement.Statement, error) {
	return statement.Statement{}, errNoAnswer
}

func (nobody) List(context.Context, statement.Statement, ...federation.EntityType) ([]federation.EntityID, error) {
	return nil, errNoAnswer
}

func (nobody) Marked(context.Context, statement.Statement, string) ([]federation.EntityID, error) {
	return nil, errNoAnswer
}

// TestTake: a server that never asked anybody knows from a bundle who is trusted, and goes on
// knowing it; one that is older, altered or has nobody in it changes nothing.
func TestTake(t *testing.T) {
	anchor, app := federationtest.New(t, "https://neo.example.vn"), federationtest.New(t, "https://app.example.vn")
	anchors, now := []trust.Anchor{{ID: anchor.ID, Keys: anchor.Set(t)}}, federationtest.Now
	content, err := json.Marshal(map[string]any{"statements": []string{
		anchor.Configuration(t, claims{"metadata": claims{"federation_entity": claims{"federation_list_endpoint": "https://neo.example.vn/list"}}}),
		anchor.About(t, app, nil), app.Configuration(t, claims{"authority_hints": []federation.EntityID{anchor.ID}}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	made := func(content []byte, serial int64, at time.Time) []byte {
		digest := sha256.Sum256(content)
		token := anchor.Sign(t, claims{"typ": bundle.Type}, claims{
			"iss": anchor.ID, "iat": at.Unix(), "exp": at.Add(48 * time.Hour).Unix(),
			"sha256": hex.EncodeToString(digest[:]), "serial": serial,
		})
		return append([]byte(token+"\n"), content...)
	}
	places := order.Order{Folder: t.TempDir(), Book: storetest.SQLite(t, nil).Bundles}
	known, until, err := take(t.Context(), made(content, 5, now), anchors, places, now)
	if err != nil || known != 2 || !until.Equal(now.Add(24*time.Hour)) {
		t.Fatalf("got %d until %s, %v", known, until, err)
	}
	file := filepath.Join(places.Folder, resolver.FileName)
	for range 2 {
		later := func() time.Time { return now.Add(23 * time.Hour) }
		r := resolver.New(resolver.Options{Anchors: anchors, Fetcher: nobody{}, File: file, Now: later})
		if _, err := r.Resolve(app.ID); err != nil {
			t.Errorf("the app: %v", err)
		}
		r.Refresh(t.Context())
		if _, err := r.Resolve(app.ID); err != nil {
			t.Errorf("the app, after a walk that reached nobody: %v", err)
		}
	}
	// The walk wrote the file after the bundle was made: nobody was heard, so the bundle counts.
	if _, _, err := take(t.Context(), made(content, 6, now), anchors, places, now); err != nil {
		t.Errorf("a newer bundle, after walks that reached nobody: %v", err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, want string
		raw        []byte
		at         time.Time
	}{
		{"altered", "not what was signed", append(made(content, 7, now), ' '), now},
		{"older", "newer bundle", made(content, 5, now), now},
		{"made earlier, with a greater serial", "newer bundle", made(content, 8, now.Add(-time.Minute)), now},
		{"nobody in it", "nobody in it", made([]byte(`{}`), 9, now), now},
		{"statements that have ended", "nobody in it", made(content, 10, now), now.Add(25 * time.Hour)},
		{"not a file of a resolver", "nobody in it", made([]byte(`x`), 11, now), now},
	} {
		if _, _, err := take(t.Context(), row.raw, anchors, places, row.at); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
	after, err := os.ReadFile(file)
	left, globErr := filepath.Glob(file + ".*")
	if err != nil || globErr != nil || !bytes.Equal(before, after) || len(left) != 0 {
		t.Errorf("what was refused changed something: %v, %v, %v", err, globErr, left)
	}
}
