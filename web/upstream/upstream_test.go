package upstream_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/federation/upstream"
	"hopnhat/federation/upstream/flow"
	"hopnhat/web/page/pagetest"
	web "hopnhat/web/upstream"
	"hopnhat/web/view"
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
		if !slices.Contains(view.UpstreamFaults(), view.UpstreamFault(reason)) {
			t.Errorf("the page has no text for %q", reason)
		}
	}
}
