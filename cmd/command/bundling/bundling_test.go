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
	"hopnhat/federation/federationtest"
	"hopnhat/federation/resolver"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
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
	made := func(content []byte) []byte {
		digest := sha256.Sum256(content)
		token := anchor.Sign(t, claims{"typ": bundle.Type}, claims{
			"iss": anchor.ID, "iat": now.Unix(), "exp": now.Add(48 * time.Hour).Unix(), "sha256": hex.EncodeToString(digest[:]),
		})
		return append([]byte(token+"\n"), content...)
	}
	state := t.TempDir()
	known, until, err := take(made(content), anchors, state, now)
	if err != nil || known != 2 || !until.Equal(now.Add(24*time.Hour)) {
		t.Fatalf("got %d until %s, %v", known, until, err)
	}
	file := filepath.Join(state, resolver.FileName)
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
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, now, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, want string
		raw        []byte
		at         time.Time
	}{
		{"altered", "not what was signed", append(made(content), ' '), now},
		{"nobody in it", "nobody in the bundle", made([]byte(`{}`)), now},
		{"statements that have ended", "nobody in the bundle", made(content), now.Add(25 * time.Hour)},
		{"not a file of a resolver", "nobody in the bundle", made([]byte(`x`)), now},
	} {
		if _, _, err := take(row.raw, anchors, state, row.at); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
	if err := os.Chtimes(file, now, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := take(made(content), anchors, state, now); err == nil || !strings.Contains(err.Error(), "newer than the bundle") {
		t.Errorf("an older bundle: %v", err)
	}
	after, err := os.ReadFile(file)
	left, globErr := filepath.Glob(file + ".*")
	if err != nil || globErr != nil || !bytes.Equal(before, after) || len(left) != 0 {
		t.Errorf("what was refused changed something: %v, %v, %v", err, globErr, left)
	}
}
