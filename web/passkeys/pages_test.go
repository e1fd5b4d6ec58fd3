package passkeys

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/authn/passkey"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
)

// book has the passkeys of persons.
type book struct {
	of  map[authz.Subject][]passkey.Passkey
	err error
	who passkey.Person
}

func (b *book) List(_ context.Context, who authz.Subject) ([]passkey.Passkey, error) {
	return b.of[who], nil
}

func (b *book) Offer(who passkey.Person, named string, has []passkey.Passkey) string {
	return "offer to " + string(who.Session) + " of " + named + strings.Repeat("!", len(has))
}

func (b *book) Add(_ context.Context, who passkey.Person, named, answer string) error {
	b.who = who
	if b.err == nil {
		b.of[who.Subject] = append(b.of[who.Subject], passkey.Passkey{
			Held: passkey.Held{ID: authn.FactorID(answer)}, Name: named, Added: time.Unix(1_796_000_000, 0),
		})
	}
	return b.err
}

func (b *book) Remove(_ context.Context, who authz.Subject, id authn.FactorID) error {
	for i, one := range b.of[who] {
		if one.ID == id {
			b.of[who] = append(b.of[who][:i], b.of[who][i+1:]...)
			return nil
		}
	}
	return authz.ErrNotFound
}

func signedIn(h func(*page.Visit) error) func(*page.Visit) error {
	return func(v *page.Visit) error {
		if _, err := v.SignedIn(); err != nil {
			return err
		}
		return h(v)
	}
}

// TestPages: a person adds a passkey under a name and removes it, and nobody else's; what is
// wrong is said on the page.
func TestPages(t *testing.T) {
	b, browser := &book{of: map[authz.Subject][]passkey.Passkey{"chi": {{Held: passkey.Held{ID: "of-chi"}}}}}, pagetest.New()
	browser.Session = &session.Session{
		ID: "s-an", Principal: authz.Herself("an"), Name: "Nguyễn Văn An", Level: 2, Device: "Chrome · Android",
	}
	pages := New(b)
	got := browser.Get(t, Path, Path, signedIn(pages.Show))
	if got.Err != nil || !strings.Contains(got.Body, "offer to s-an of Định danh quốc gia") ||
		!strings.Contains(got.Body, `value="Chrome · Android"`) {
		t.Fatalf("none yet: %v %s", got.Err, got.Body)
	}
	add := func() pagetest.Answer {
		t.Helper()
		return browser.Post(t, Path, Path, url.Values{"passkey_name": {"Máy tính"}, "credential": {"k1"}}, signedIn(pages.Add))
	}
	if got := add(); got.Err != nil || got.Status != 200 || !strings.Contains(got.Body, "Máy tính") ||
		!strings.Contains(got.Body, `role="status"`) ||
		b.who.Subject != "an" || b.who.Session != "s-an" || b.who.Binding != strings.Repeat("b", 43) {
		t.Errorf("added: %d, %v, %+v", got.Status, got.Err, b.who)
	}
	for _, err := range []error{
		passkey.ErrName, passkey.Refusal{Reason: passkey.Late}, passkey.Refusal{Reason: passkey.Taken}, passkey.Refusal{Reason: passkey.Origin},
	} {
		b.err = err
		if got := add(); got.Err != nil || got.Status != 422 || !strings.Contains(got.Body, `role="alert"`) || len(b.of["an"]) != 1 {
			t.Errorf("%v: %d, %v", err, got.Status, got.Err)
		}
	}
	if b.err = errors.New("the database does not answer"); add().Err == nil {
		t.Error("a fault was passed over")
	}
	remove := func(id string) pagetest.Answer {
		t.Helper()
		return browser.Post(t, RemovePath, RemovePath, url.Values{"passkey": {id}}, signedIn(pages.Remove))
	}
	if got := remove("of-chi"); got.Err == nil || len(b.of["chi"]) != 1 {
		t.Errorf("another person's: %v", got.Err)
	}
	if got := remove("k1"); got.Err != nil || len(b.of["an"]) != 0 {
		t.Errorf("removed: %v", got.Err)
	}
	b.of["an"] = make([]passkey.Passkey, passkey.Most)
	if got := browser.Get(t, Path, Path, signedIn(pages.Show)); strings.Contains(got.Body, "offer to") {
		t.Error("she may add one too many")
	}
}
