package choices

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/federation"
	"hopnhat/federation/regional"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
)

// book has the choices of persons.
type book struct {
	of  map[authz.Subject]map[federation.EntityID]bool
	err error
}

func (b *book) Days() int { return 7 }

func (b *book) Providers() []regional.Provider {
	return []regional.Provider{
		{Entity: "https://id.danang.example.vn", Name: authz.LocalizedText{VI: "Đà Nẵng", EN: "Da Nang"}},
		{Entity: "https://id.hue.example.vn", Name: authz.LocalizedText{VI: "Huế"}},
	}
}

func (b *book) Of(_ context.Context, who authz.Subject) (list []regional.Choice, err error) {
	for provider, chosen := range b.of[who] {
		if chosen {
			list = append(list, regional.Choice{Provider: provider, Chosen: time.Unix(1_800_000_000, 0)})
		}
	}
	return list, b.err
}

func (b *book) Choose(_ context.Context, who authz.Subject, provider federation.EntityID) error {
	if provider != "https://id.danang.example.vn" && provider != "https://id.hue.example.vn" {
		return regional.ErrNoProvider
	}
	if b.of[who] == nil {
		b.of[who] = map[federation.EntityID]bool{}
	}
	b.of[who][provider] = true
	return b.err
}

func (b *book) Withdraw(_ context.Context, who authz.Subject, provider federation.EntityID) error {
	delete(b.of[who], provider)
	return b.err
}

func signedIn(h func(*page.Visit) error) func(*page.Visit) error {
	return func(v *page.Visit) error {
		if _, err := v.SignedIn(); err != nil {
			return err
		}
		return h(v)
	}
}

// TestChoosing: a person chooses a province and takes it back, for herself alone; what is no
// province and no choice changes nothing.
func TestChoosing(t *testing.T) {
	b, browser := &book{of: map[authz.Subject]map[federation.EntityID]bool{"chi": {"https://id.hue.example.vn": true}}}, pagetest.New()
	browser.Session = &session.Session{ID: "s-an", Principal: authz.Herself("an"), Level: 2}
	pages := New(b)
	const danang = "https://id.danang.example.vn"
	if got := browser.Get(t, Path, Path, signedIn(pages.Show)); got.Err != nil || strings.Count(got.Body, `value="chosen"`) != 2 ||
		strings.Contains(got.Body, `value="withdrawn"`) || !strings.Contains(got.Body, "7") {
		t.Fatalf("before: %v %s", got.Err, got.Body)
	}
	change := func(provider, choice string) pagetest.Answer {
		t.Helper()
		return browser.Post(t, Path, Path, url.Values{"provider": {provider}, "choice": {choice}}, signedIn(pages.Change))
	}
	if got := change(danang, "chosen"); got.Err != nil || !b.of["an"][danang] || strings.Count(got.Body, `value="withdrawn"`) != 1 {
		t.Errorf("chosen: %v %v", got.Err, b.of)
	}
	for _, row := range [][2]string{{"https://x.example.vn", "chosen"}, {danang, "other"}, {danang, ""}} {
		if got := change(row[0], row[1]); got.Err == nil || len(b.of["an"]) != 1 {
			t.Errorf("%q: %v, %v", row, got.Err, b.of)
		}
	}
	if got := change(danang, "withdrawn"); got.Err != nil || b.of["an"][danang] || !b.of["chi"]["https://id.hue.example.vn"] {
		t.Errorf("withdrawn: %v %v", got.Err, b.of)
	}
	b.of["an"]["https://cu.example.vn"] = true
	if got := browser.Get(t, Path, Path, signedIn(pages.Show)); !strings.Contains(got.Body, "cu.example.vn") {
		t.Errorf("a province that is offered no more cannot be taken back: %s", got.Body)
	}
	if b.err = errors.New("the database does not answer"); change(danang, "chosen").Err == nil {
		t.Error("a fault was passed over")
	}
}
