package audit

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit/commitment"
)

// TestAnAppCanAlwaysBeNamed: whatever a registration holds, an act on it and by it can be
// written down, so that no app is one that cannot be disabled or refused.
func TestAnAppCanAlwaysBeNamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat(rapid.String().Draw(t, "text"), rapid.SampledFrom([]int{1, 1, 40, 400}).Draw(t, "times"))
		})
		c := &authz.Client{
			ID: authz.ClientID(text.Draw(t, "id")), Name: authz.LocalizedText{VI: text.Draw(t, "name")},
			Owner:    authz.LocalizedText{VI: text.Draw(t, "owner")},
			Requests: authz.Requests{RedirectURIs: rapid.SliceOfN(text, 0, 100).Draw(t, "redirect URIs")},
		}
		for _, a := range []Act{{Action: ClientDisabled, App: c, Detail: Detail{Object: commitment.Bounded(string(c.ID)), Text: commitment.Bounded(c.RedirectURIs...)}}, {Action: ReleaseDenied, App: c}} {
			r, err := ruleOf(a.Action)
			if err != nil {
				t.Fatal(err)
			}
			e := a.event(r)
			e.ID, e.When.Decided = authz.NewID(), time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
			canonical, err := e.Canonical()
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			if again, err := e.Normalized().Canonical(); err != nil || string(again) != string(canonical) {
				t.Fatalf("normalized twice it is another: %v", err)
			}
		}
	})
}

// TestBounded: what fits stands there as it is; what does not is told by its digest,
// which differs where the texts differ.
func TestBounded(t *testing.T) {
	if got := commitment.Bounded("https://a.example/", "https://b.example/"); got != "https://a.example/ https://b.example/" {
		t.Errorf("what fits: %q", got)
	}
	if got := commitment.Bounded(); got != "" {
		t.Errorf("nothing: %q", got)
	}
	long := strings.Repeat("a", commitment.MaxText)
	one, other := commitment.Bounded(long, "b"), commitment.Bounded(long, "c")
	if !strings.HasPrefix(one, "sha256:") || !strings.HasSuffix(one, " of 2") || one == other {
		t.Errorf("what does not: %q and %q", one, other)
	}
}
