package upstream_test

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/federation/upstream"
	"hopnhat/federation/upstream/flow"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	web "hopnhat/web/upstream"
	"hopnhat/web/view/ways"
)

// engine lets the person of a code in, or refuses.
type engine struct {
	web.Engine
	next string
	err  error
}

var vneid = &upstream.Provider{Alias: "vneid", Name: authz.LocalizedText{VI: "VNeID", EN: "VNeID"}}

func (e *engine) Provider(alias upstream.Alias) *upstream.Provider {
	if alias != vneid.Alias {
		return nil
	}
	return vneid
}

func (e *engine) Finish(_ context.Context, r flow.Return) (flow.Result, error) {
	if e.err != nil {
		return flow.Result{Next: e.next}, e.err
	}
	return flow.Result{Next: e.next, Began: &session.Session{ID: "s", Principal: authz.Herself("an")}}, nil
}

// TestASignInGoesOn where it was begun: at the request that waits, or at a page of ours, and
// nowhere else, also where it was refused.
func TestASignInGoesOn(t *testing.T) {
	for _, row := range []struct{ name, next, want string }{
		{"for an app", "/authorize/resume?a=handle&ui_locales=en", "/authorize/resume?a=handle&ui_locales=en"},
		{"for a page of ours", "/portal/consents", "/portal/consents"},
		{"nowhere", "", "/portal"},
		{"to another host", "https://evil.example/authorize/resume?a=1", "/portal"},
		{"to another host that reads as a path", "//evil.example/authorize/resume?a=1", "/portal"},
		{"to a path beside it", "/authorize/resumed?a=1", "/portal"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := &engine{next: row.next}
			pages, b := web.New(web.Options{Engine: e, LogoutQueued: func() {}, Now: time.Now}), pagetest.New()
			const at = "/signin/upstream/vneid/callback"
			got := b.Get(t, web.CallbackPath, at+"?code=c&state=s", pages.Callback)
			if got.Location != row.want || b.Cookie("session") == "" {
				t.Errorf("leads to %q, %v, want %q with a session", got.Location, got.Err, row.want)
			}
			e.err = &upstream.Refusal{Reason: upstream.Low, Why: "a test"}
			b = pagetest.New()
			got = b.Get(t, web.CallbackPath, at+"?code=c&state=s", pages.Callback)
			link := `href="` + strings.ReplaceAll(row.want, "&", "&amp;") + `"`
			if got.Status != http.StatusOK || !strings.Contains(got.Body, link) || b.Cookie("session") != "" {
				t.Errorf("a refusal: status %d, %v, want a link to %q and no session\n%s", got.Status, got.Err, row.want, got.Body)
			}
		})
	}
}

// TestEachReasonIsSaid: a person who is refused reads why.
func TestEachReasonIsSaid(t *testing.T) {
	for _, reason := range upstream.Reasons() {
		if !slices.Contains(ways.UpstreamFaults(), ways.UpstreamFault(reason)) {
			t.Errorf("the page has no text for %q", reason)
		}
	}
}

func (e *engine) Providers() []*upstream.Provider {
	return []*upstream.Provider{vneid, {Alias: "staff", Hidden: true}, {Alias: "abroad", LinkOnly: true}, {Alias: "danang"}}
}

func (e *engine) Begin(_ context.Context, s flow.Start) (string, error) {
	e.next = s.Next
	return "https://" + string(s.Provider.Alias) + ".example/authorize", nil
}

// always lets every address.
type always struct{}

func (always) Take(netip.Addr) time.Duration { return 0 }

// TestButtons: the order of the operator, the hinted first, hidden ones only where the app
// names them, and never one for linking alone (CVE-2026-16442). A link is good in the browser
// that it was made for.
func TestButtons(t *testing.T) {
	e := &engine{}
	now := time.Now()
	pages := web.New(web.Options{Engine: e, Addresses: always{}, LogoutQueued: func() {}, Now: func() time.Time { return now }})
	b := pagetest.New()
	var got []ways.ProviderButton
	shown := func(hint string) int {
		t.Helper()
		b.Get(t, "/signin", "/signin", func(v *page.Visit) error {
			got = pages.Buttons(v, hint, "/portal/consents", "")
			return nil
		})
		return len(got)
	}
	if shown("") != 2 || shown("abroad") != 2 || shown("nobody") != 2 {
		t.Errorf("without a hint, with one of a provider for linking, with one of none: got %+v", got)
	}
	if shown("staff") != 3 {
		t.Errorf("a hidden one that is named: got %+v", got)
	}
	first := got[0].URL
	if shown("danang") != 2 || got[1].Name != vneid.Name {
		t.Errorf("the hinted one comes first: got %+v", got)
	}
	toVNeID := got[1].URL
	answer := b.Get(t, web.StartPath, toVNeID, pages.Start)
	if answer.Location != "https://vneid.example/authorize" || e.next != "/portal/consents" {
		t.Errorf("leads to %q, %v, and back to %q", answer.Location, answer.Err, e.next)
	}
	other := pagetest.New()
	other.SetCookie("binding", strings.Repeat("c", 43))
	if answer := other.Get(t, web.StartPath, toVNeID, pages.Start); answer.Location != "" {
		t.Errorf("another browser is led to %q", answer.Location)
	}
	if answer := b.Get(t, web.StartPath, first, pages.Start); answer.Location != "" {
		t.Errorf("a provider that is there no more leads to %q", answer.Location)
	}
	now = now.Add(time.Hour)
	if answer := b.Get(t, web.StartPath, toVNeID, pages.Start); answer.Location != "" {
		t.Errorf("a link of an hour ago leads to %q", answer.Location)
	}
}
