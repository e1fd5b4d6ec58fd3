package redeem_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"hopnhat/authz/authztest"
	"hopnhat/authz/grant"
)

// TestRefreshAnswerLost: an app whose answer got lost asks again, also from a new
// key: the access token is bound to the key it proves now, the refresh token is
// the one that got lost, and after the grace the first one ends the grant.
func TestRefreshAnswerLost(t *testing.T) {
	w := authztest.WithBackend(t)
	before, after := authztest.NewKey(t), authztest.NewKey(t)
	given := w.ViaCode(t, before)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given.Refresh}}
	lost := authztest.TokensOf(t, w.AskToken(t, "app", before, form))
	again := authztest.TokensOf(t, w.AskToken(t, "app", after, form))
	if again.Refresh != lost.Refresh {
		t.Error("the successor is another one")
	}
	was, is := authztest.ClaimsOf(t, lost.Access)["cnf"].(map[string]any), authztest.ClaimsOf(t, again.Access)["cnf"].(map[string]any)
	if was["jkt"] == is["jkt"] {
		t.Error("RFC 9449 §5: the token is not bound to the key that was proved")
	}
	if a := w.AtResource(t, w.UserInfo, after, http.MethodGet, "/userinfo", again.Access); a.Code != http.StatusOK {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	if a := w.AtResource(t, w.UserInfo, after, http.MethodGet, "/userinfo", lost.Access); a.Code != http.StatusUnauthorized {
		t.Errorf("a token of another key was taken: %d", a.Code)
	}
	w.Now = w.Now.Add(time.Minute)
	if got := authztest.ErrorOf(t, w.AskToken(t, "app", after, form)); got != "invalid_grant" {
		t.Errorf("after the grace: %s", got)
	}
	if authztest.Active(w, again.Access) {
		t.Error("RFC 9700 §4.14.2: the grant lives on")
	}
}

// TestRefreshTogether: callers that race with one refresh token get the same
// successor, every one of them, and none ends the grant.
func TestRefreshTogether(t *testing.T) {
	w := authztest.WithBackend(t)
	k := authztest.NewKey(t)
	given := w.ViaCode(t, k)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given.Refresh}}
	// All have read the grant before the first of them writes.
	w.Memory.Together = make(chan struct{}, 16)
	w.Memory.All = make(chan struct{})
	var group sync.WaitGroup
	var mu sync.Mutex
	next := map[string]int{}
	for range 16 {
		group.Go(func() {
			a := w.AskToken(t, "app", k, form)
			mu.Lock()
			defer mu.Unlock()
			if a.Code != http.StatusOK {
				t.Errorf("%d %s", a.Code, a.Body)
				return
			}
			next[authztest.TokensOf(t, a).Refresh]++
		})
	}
	group.Wait()
	if len(next) != 1 {
		t.Fatalf("%d successors", len(next))
	}
	w.Memory.Together = nil
	if a := w.AskToken(t, "app", k, form); a.Code != http.StatusOK {
		t.Errorf("within the grace: %d %s", a.Code, a.Body)
	}
}

// TestRefreshLost: a request that lost the race is judged by what the grant is
// when it looks again.
func TestRefreshLost(t *testing.T) {
	for _, row := range []struct {
		name  string
		other func(w *authztest.World, g *grant.Grant)
		want  string
		ended bool
	}{
		{"RFC 9700 §4.14.2: rotated once, a moment ago", func(w *authztest.World, g *grant.Grant) { g.RefreshGeneration++; g.RefreshRotated = w.Now }, "", false},
		{"rotated once, longer ago than the grace", func(w *authztest.World, g *grant.Grant) {
			g.RefreshGeneration++
			g.RefreshRotated = w.Now.Add(-time.Minute)
		}, "invalid_grant", true},
		{"rotated twice: the token is an old one", func(w *authztest.World, g *grant.Grant) { g.RefreshGeneration += 2; g.RefreshRotated = w.Now }, "invalid_grant", true},
		{"ended by the person", func(w *authztest.World, g *grant.Grant) { g.Revoked = w.Now }, "invalid_grant", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := authztest.WithBackend(t)
			k := authztest.NewKey(t)
			given := w.ViaCode(t, k)
			w.Memory.BeforeRotate = func(g *grant.Grant) { row.other(w, g) }
			a := w.AskToken(t, "app", k, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given.Refresh}})
			if row.want == "" && a.Code != http.StatusOK || row.want != "" && authztest.ErrorOf(t, a) != row.want {
				t.Fatalf("%d %s", a.Code, a.Body)
			}
			if active := authztest.Active(w, given.Access); active == row.ended {
				t.Errorf("the grant is live: %v", active)
			}
		})
	}
}
