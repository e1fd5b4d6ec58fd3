package signin

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/authn"
	"hopnhat/authz/authn/passkey"
	"hopnhat/web/page/pagetest"
)

// keys are passkeys: one answer is right, unless they fail.
type keys struct {
	*room
	err     error
	tickets []string
	from    authn.Origin
}

func (k *keys) Ask(binding string) string { return `{"challenge":"of ` + binding + `"}` }

func (k *keys) SignIn(
	ctx context.Context, answer, ticket string, from authn.Origin, start func(context.Context, authn.Result) error,
) error {
	k.tickets, k.from = append(k.tickets, ticket), from
	switch {
	case k.err != nil:
		return k.err
	case answer != "right":
		return passkey.Refusal{Reason: passkey.Signature}
	}
	return start(ctx, k.result)
}

func withKeys(t *testing.T) (*room, *keys) {
	t.Helper()
	r := newRoom(t)
	k := &keys{room: r}
	r.o.Passkeys = k
	return r, k
}

// sent is where the script of a page goes on after it sent what a passkey signed.
func sent(t *testing.T, r *room, answer string, more url.Values) (to pagetest.Answer) {
	t.Helper()
	form := url.Values{"a": {"handle"}, "credential": {answer}}
	for name, values := range more {
		form[name] = values
	}
	got := r.b.Post(t, PasskeyPath, PasskeyPath, form, r.SignInPasskey)
	if got.Err != nil || got.Location != "" {
		t.Fatalf("got %d, %v, %q", got.Status, got.Err, got.Location)
	}
	var next passkeyAnswer
	if err := json.Unmarshal([]byte(got.Body), &next); err != nil {
		t.Fatalf("%v: %s", err, got.Body)
	}
	return pagetest.Answer{Location: next.Location}
}

// TestPasskey: a page offers a passkey beside number and password, and beside the code, for
// this browser; a right one begins a session and leads on to the app.
func TestPasskey(t *testing.T) {
	r, k := withKeys(t)
	shown := r.b.Get(t, Path, Path+"?a=handle", r.SignInForm)
	for _, part := range []string{
		`action="/signin/passkey"`, "of bbbb", "data-offered", "passkey.", `autocomplete="username webauthn"`, `name="a" value="handle"`,
	} {
		if !strings.Contains(shown.Body, part) {
			t.Errorf("the page has no %q", part)
		}
	}
	if policy := shown.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self'") {
		t.Errorf("where the password is typed a form may end elsewhere: %s", policy)
	}
	code := r.b.Get(t, CodePath, CodePath+"?a=handle&ticket=ticket", r.CodeForm)
	if !strings.Contains(code.Body, `action="/signin/passkey"`) ||
		strings.Contains(code.Body, "data-offered") || strings.Count(code.Body, `name="ticket" value="ticket"`) != 2 {
		t.Errorf("the page of the code: %s", code.Body)
	}
	got := sent(t, r, "right", nil)
	if got.Location != "/authorize/resume?a=handle" || len(r.existing) != 1 ||
		r.b.Cookie("session") == "" || k.from.Binding != strings.Repeat("b", 43) {
		t.Errorf("got %q, %d sessions, %+v", got.Location, len(r.existing), k.from)
	}
	got = sent(t, r, "right", url.Values{"ticket": {"ticket"}})
	if got.Location != "/authorize/resume?a=handle" || k.tickets[len(k.tickets)-1] != "ticket" {
		t.Errorf("after the number: %q, %q", got.Location, k.tickets)
	}
}

// TestPasskeyRefused: each refusal leads back to the page that it came from, which says so, and
// begins nothing.
func TestPasskeyRefused(t *testing.T) {
	for _, row := range []struct {
		name   string
		err    error
		ticket string
		page   string
		status int
		wait   string
	}{
		{"the passkey is not right", nil, "", Path, 422, ""},
		{"the passkey is not right, after the number", nil, "ticket", CodePath, 422, ""},
		{"the page was open too long", passkey.Refusal{Reason: passkey.Late}, "", Path, 422, ""},
		{"the page of the code was open too long", passkey.Refusal{Reason: passkey.Late}, "ticket", CodePath, 422, ""},
		{"too often", authn.Throttled{Wait: 90 * time.Second}, "", Path, 429, "90"},
		{"the number was given too long ago", authn.ErrTicket, "ticket", Path, 422, ""},
		{"a ticket that is none", nil, strings.Repeat("t", maxTicket+1), Path, 422, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, k := withKeys(t)
			k.err = row.err
			got := sent(t, r, "wrong", url.Values{"ticket": {row.ticket}})
			if path, _, _ := strings.Cut(got.Location, "?"); path != row.page {
				t.Fatalf("leads to %q", got.Location)
			}
			shown := followed(t, r, got)
			if shown.Status != row.status || shown.Header.Get("Retry-After") != row.wait || len(r.existing) != 0 ||
				!strings.Contains(shown.Body, `role="alert"`) {
				t.Errorf("got %d, Retry-After %q, %d sessions", shown.Status, shown.Header.Get("Retry-After"), len(r.existing))
			}
		})
	}
	r, k := withKeys(t)
	k.err = authn.ErrLocked
	if got := r.b.Post(t, PasskeyPath, PasskeyPath, url.Values{"credential": {"x"}}, r.SignInPasskey); got.Err == nil {
		t.Error("a locked account has no page")
	}
}

// TestWithoutPasskeys: at a server that has none, as the provider of a province, no page offers
// one.
func TestWithoutPasskeys(t *testing.T) {
	r := newRoom(t)
	for _, shown := range []pagetest.Answer{
		r.b.Get(t, Path, Path+"?a=handle", r.SignInForm), r.b.Get(t, CodePath, CodePath+"?a=handle&ticket=ticket", r.CodeForm),
	} {
		if strings.Contains(shown.Body, "passkey") || strings.Contains(shown.Body, "webauthn") {
			t.Errorf("a passkey is offered: %s", shown.Body)
		}
	}
}
