//go:build upgrade

package scenario_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/pgtest"
)

// switchboard stands where the issuer is and leads to one node at a time, as a
// balancer does that takes nodes out of service one by one.
type switchboard struct{ to atomic.Value }

func newSwitchboard(t *testing.T, at string) *switchboard {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	s := &switchboard{}
	server := &http.Server{Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: s.to.Load().(string)})
		r.Out.Host = r.In.Host
	}}}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return s
}

// lead sends everybody to a node from now on.
func (s *switchboard) lead(to string) { s.to.Store(to) }

// upgrade is a house that goes over to this program while people use it.
type upgrade struct {
	n        *nation
	board    *switchboard
	old, new string // addresses
	legacy   string // the program of the release before
}

// node starts a node of the program that is in use, with a state folder of its own
// but for the keys.
func (u *upgrade) node(t *testing.T, database, address, state, site string) *harness.Process {
	t.Helper()
	return harness.Start(t, harness.Program{Base: "http://" + address, Args: []string{
		"serve", "--issuer", u.n.base, "--listen", address, "--state", state, "--keys", filepath.Join(u.n.state, "keys"), "--site", site,
		"--log-origin", "demo.hopnhat.invalid/release/" + site,
		"--database", database, "--registry", filepath.Join(u.n.state, "registry.db"), "--argon2-kib", "64", "--address-burst", "100000",
		"--jwks-cache", "4s", "--key-overlap", "5m",
	}})
}

// arrival is somebody who signed in: her browser, and what her apps got.
type arrival struct {
	who     *person
	browser *http.Client
	tokens  answer // of the fapi2 app
	rotated answer // of the oidc app, whose refresh tokens are spent by use
}

// arrives signs a new person in at two apps and releases records to one. Not every
// invented person has a tax record; one who has is taken.
func (u *upgrade) arrives(t *testing.T) *arrival {
	t.Helper()
	for {
		v := &arrival{who: u.n.someone(t), browser: browser(t)}
		v.tokens = u.n.app.tokens(t, v.browser, v.who, civilDetail+","+taxDetail)
		if u.n.app.release(t, v.tokens.text("access_token"), taxRead).status == http.StatusNotFound {
			continue
		}
		v.rotated = u.n.rotating.tokens(t, v.browser, v.who, taxDetail)
		u.reads(t, v)
		return v
	}
}

// reads releases on a duty and on a consent.
func (u *upgrade) reads(t *testing.T, v *arrival) {
	t.Helper()
	for _, body := range []string{taxRead, civilRead} {
		if a := u.n.app.release(t, v.tokens.text("access_token"), body); a.status != http.StatusOK {
			t.Errorf("a release: %d %s", a.status, a.raw)
		}
	}
}

// goesOn is what must work for somebody who arrived at another node: her session
// without signing in again, her tokens, their refresh, her portal.
func (u *upgrade) goesOn(t *testing.T, v *arrival) {
	t.Helper()
	u.reads(t, v)
	if a := u.n.app.resource(t, http.MethodGet, "/userinfo", v.tokens.text("access_token"), "", nil); a.status != http.StatusOK {
		t.Errorf("UserInfo: %d %s", a.status, a.raw)
	}
	for _, r := range []struct {
		app  *party
		held *answer
	}{{u.n.app, &v.tokens}, {u.n.rotating, &v.rotated}} {
		a := r.app.refresh(t, r.held.text("refresh_token"))
		if a.status != http.StatusOK {
			t.Errorf("%s: a refresh: %d %s", r.app.id, a.status, a.raw)
			continue
		}
		if a.text("refresh_token") == "" {
			a.body["refresh_token"] = r.held.text("refresh_token")
		}
		*r.held = a
	}
	// Who would have to sign in again could not: she brings no password.
	stranger := &person{Number: v.who.Number}
	v.tokens = u.n.app.tokens(t, v.browser, stranger, civilDetail+","+taxDetail)
	u.reads(t, v)
	if page := fetch(t, v.browser, u.n.base+"/portal?lang=en"); !strings.Contains(page, "/portal/releases/") {
		t.Errorf("the portal does not show the releases:\n%.400s", page)
	}
}

// ended is what must hold of somebody who was signed out or locked: nothing that was
// issued to her is good any more.
func (u *upgrade) ended(t *testing.T, address string, v *arrival) {
	t.Helper()
	if alive(t, u.n, v.browser) {
		t.Errorf("%s: her browser is signed in", address)
	}
	if a := u.n.app.release(t, v.tokens.text("access_token"), taxRead); a.status == http.StatusOK {
		t.Errorf("%s released: %s", address, a.raw)
	}
	for _, r := range []struct {
		app  *party
		held answer
	}{{u.n.app, v.tokens}, {u.n.rotating, v.rotated}} {
		if a := r.app.refresh(t, r.held.text("refresh_token")); a.text("error") != "invalid_grant" {
			t.Errorf("%s: %s refreshed: %d %s", address, r.app.id, a.status, a.raw)
		}
	}
}

// counter registers an app of fapi2 with grants, and gives what makes two of it: the
// steps of docs/registration.md, "CIBA in a client of its own".
func (u *upgrade) counter(t *testing.T, grants string) (p *party, divide func()) {
	t.Helper()
	p = newParty(t, u.n, "app-quay")
	add := func(text string) {
		file := filepath.Join(t.TempDir(), "counter.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		u.n.run(t, "client", "add", file)
	}
	entry := func(id, profile, rest string) string {
		return fmt.Sprintf(`
- client_id: %s
  client_name: Quầy %s
  owner: {vi: Cơ quan thử, en: Test agency}
  profile: %s
  jwks: %s
  scope: openid
%s`, id, id, profile, p.public, rest)
	}
	redirect := "  redirect_uris: [\"" + p.redirect + "\"]\n"
	add(entry(p.id, "fapi2", redirect+"  grant_types: "+grants+"\n  backchannel_token_delivery_mode: poll\n"))
	return p, func() {
		add(entry(p.id+"-ciba", "fapi-ciba", "  sector: localhost\n  grant_types: [refresh_token, "+cibaGrant+"]\n  response_types: []\n"+
			"  backchannel_token_delivery_mode: poll\n  backchannel_authentication_request_signing_alg: ES256\n"))
		add(entry(p.id, "fapi2", redirect+"  grant_types: [authorization_code, refresh_token]\n"))
	}
}

// approved asks for a sign-in of somebody who is signed in, and brings it to its end.
func (u *upgrade) approved(t *testing.T, v *arrival, p *party, form url.Values) answer {
	t.Helper()
	a := p.call(t, "/bc-authorize", form)
	if a.status != http.StatusOK {
		t.Fatalf("%s: the backchannel endpoint answered %d: %s", p.id, a.status, a.raw)
	}
	picking := v.who.atTheBrowser()
	picking.OTP, picking.Symbol = nil, a.text("binding_number")
	list := u.n.listed(t, v.browser)
	if len(list) != 1 {
		t.Fatalf("%d requests wait for her", len(list))
	}
	if result := u.n.answerAt(t, v.browser, list[0], picking); result != "approved" {
		t.Fatalf("it ended %q", result)
	}
	tokens := p.poll(t, cibaGrant, a.text("auth_req_id"))
	if tokens.status != http.StatusOK {
		t.Fatalf("%s: the token endpoint answered %d: %s", p.id, tokens.status, tokens.raw)
	}
	return tokens
}

// TestUpgrade: docs/production.md, "Upgrades". A database that the release before
// filled is migrated under its running nodes; nodes of both releases then serve side
// by side, and what one began the other goes on with, forth and back.
func TestUpgrade(t *testing.T) {
	database := pgtest.Database(t)
	port := harness.Port(t, 5)
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", port+i) }
	u := &upgrade{old: at(3), new: at(4), legacy: harness.Before(t)}

	harness.Use(t, u.legacy)
	harness.Run(t, nil, "migrate", "--database", database)
	u.n = (&nation{base: fmt.Sprintf("http://localhost:%d", port), database: database}).begin(t, port, onPostgres)
	early := u.arrives(t)
	u.n.process.Stop()

	u.board = newSwitchboard(t, at(0))
	u.node(t, database, u.old, u.n.state, "dc1")
	u.board.lead(u.old)
	u.goesOn(t, early)
	counter, desk := u.counter(t, "[authorization_code, refresh_token, "+cibaGrant+"]")
	asked := u.approved(t, early, counter, url.Values{"scope": {"openid"}, "login_hint": {early.who.Number}})

	harness.Use(t, "")
	t.Log(harness.Run(t, nil, "migrate", "--database", database))
	t.Run("the release before runs on the migrated database", func(t *testing.T) {
		u.goesOn(t, early)
		late := u.arrives(t)
		u.goesOn(t, late)
		harness.Use(t, u.legacy)
		u.n.run(t, "client", "list")
		harness.Use(t, "")
	})
	u.node(t, database, u.new, filepath.Join(t.TempDir(), "state"), "dc2")
	var fresh *arrival
	t.Run("sessions and tokens of the release before live on in this one", func(t *testing.T) {
		u.board.lead(u.new)
		u.goesOn(t, early)
		fresh = u.arrives(t)
		u.goesOn(t, fresh)
	})
	if t.Failed() {
		t.FailNow()
	}
	t.Run("and those of this one in the release before", func(t *testing.T) {
		u.board.lead(u.old)
		u.goesOn(t, early)
		u.goesOn(t, fresh)
		u.goesOn(t, u.arrives(t))
	})
	ways := [][2]string{{u.old, u.new}, {u.new, u.old}}
	t.Run("a code of either is redeemed at the other", func(t *testing.T) {
		for _, way := range ways {
			verifier := random() + random()
			u.board.lead(way[0])
			code := u.n.app.code(t, early.browser, early.who, verifier, taxDetail)
			u.board.lead(way[1])
			if a := u.n.app.exchange(t, code, verifier); a.status != http.StatusOK {
				t.Errorf("from %s to %s: %d %s", way[0], way[1], a.status, a.raw)
			}
		}
	})
	t.Run("a device asks one, is approved at the other and is served", func(t *testing.T) {
		call := u.n.legacyTV(t, "tivi-hai-ben", 2)
		for _, way := range ways {
			for _, served := range way {
				u.board.lead(way[0])
				a := call("/device_authorization", url.Values{"scope": {"openid"}})
				if a.status != http.StatusOK {
					t.Fatalf("%s: the device endpoint answered %d: %s", way[0], a.status, a.raw)
				}
				u.board.lead(way[1])
				known := early.who.atTheBrowser()
				known.OTP, known.UserCode, known.Symbol = nil, a.text("user_code"), a.text("user_code")[5:]
				if result := u.n.answerAt(t, early.browser, a.text("verification_uri"), known); result != "approved" {
					t.Fatalf("begun at %s, answered at %s: %q", way[0], way[1], result)
				}
				u.board.lead(served)
				poll := url.Values{"grant_type": {deviceGrant}, "device_code": {a.text("device_code")}}
				if a := call("/token", poll); a.status != http.StatusOK {
					t.Errorf("begun at %s, answered at %s, redeemed at %s: %d %s", way[0], way[1], served, a.status, a.raw)
				}
			}
		}
	})
	t.Run("a sign-out at one ends what the other issued", func(t *testing.T) {
		for _, way := range ways {
			u.board.lead(way[0])
			left := u.arrives(t)
			u.board.lead(way[1])
			if !alive(t, u.n, left.browser) {
				t.Fatalf("%s does not know who signed in at %s", way[1], way[0])
			}
			if a := u.n.leaves(t, left.browser, page(t, left.browser, u.n.base+"/logout"), "everywhere"); a.status != http.StatusSeeOther {
				t.Fatalf("%s answered the sign-out with %d: %.300s", way[1], a.status, a.raw)
			}
			for _, address := range way {
				u.board.lead(address)
				u.ended(t, address, left)
			}
		}
	})
	t.Run("kinds of events that only this one knows", func(t *testing.T) {
		tool := []string{"--state", u.n.state, "--database", database}
		auditor := u.n.someone(t)
		harness.Run(t, nil, slices.Concat([]string{"account", "role", "grant"}, tool, []string{auditor.Number, "auditor"})...)
		u.board.lead(u.new)
		looker, hers := signedIn(t, u.n, auditor), u.n.app.release(t, early.tokens.text("access_token"), taxRead).text("release_id")
		fetch(t, looker, u.n.base+"/console/events/"+hers) // auditor.looked
		found := func(path string) bool {
			a := open(t, looker, http.MethodGet, u.n.base+path, nil)
			return a.status == http.StatusOK && strings.Contains(a.raw, "<tr><td")
		}
		if !strings.Contains(searched(t, u.n, looker, url.Values{"type": {"auditor.looked"}}), "<td role=\"cell\"") {
			t.Error("this release does not find what it recorded")
		}
		u.board.lead(u.old)
		// docs/production.md sends auditors to the new nodes, for this cannot be mended.
		if found("/console?all=1") {
			t.Error("the release before reads the new kinds: docs/production.md says that it cannot")
		}
		if !found("/console?type=release.permitted") {
			t.Error("a search by kind fails at the release before")
		}
		if page := fetch(t, early.browser, u.n.base+"/portal?lang=en"); !strings.Contains(page, "/portal/releases/"+hers) {
			t.Errorf("her history fails at the release before:\n%.400s", page)
		}
	})
	t.Run("an app of fapi2 with CIBA is two", func(t *testing.T) {
		u.board.lead(u.new)
		check := func(id string) string { return u.n.run(t, "client", "check", id) }
		if said := check(counter.id); !strings.Contains(said, "grant-of-another-profile") {
			t.Errorf("client check says %s", said)
		}
		want(
			t, counter.call(t, "/bc-authorize", url.Values{"scope": {"openid"}, "login_hint": {early.who.Number}}), 400,
			"unauthorized_client",
		)
		desk()
		if said := check(counter.id); strings.Contains(said, "grant-of-another-profile") {
			t.Errorf("after the move client check says %s", said)
		}
		second := *counter
		second.id += "-ciba"
		signed := second.signedAsk(t, map[string]any{"login_hint": early.who.Number, "client_notification_token": nil})
		now := u.approved(t, early, &second, url.Values{"request": {signed}})
		if a, b := u.n.opened(t, asked.text("id_token"))["sub"], u.n.opened(t, now.text("id_token"))["sub"]; a == nil || a != b {
			t.Errorf("she was %v and is %v", a, b)
		}
		if a := counter.refresh(t, asked.text("refresh_token")); a.status != http.StatusOK {
			t.Errorf("what the first was given before: %d %s", a.status, a.raw)
		}
		counter.tokens(t, early.browser, early.who, "")
		u.board.lead(u.old)
		u.goesOn(t, early)
		counter.tokens(t, early.browser, early.who, "")
	})
	t.Run("a rotation goes over both, and a lock bites at both", func(t *testing.T) {
		tool := []string{"--state", u.n.state, "--database", database, "--jwks-cache", "4s", "--key-overlap", "5m"}
		if out := harness.Run(t, nil, append([]string{"keys", "status"}, tool...)...); !strings.Contains(out, "nodes that serve the set: 2") {
			t.Errorf("the nodes do not know each other:\n%s", out)
		}
		said := harness.Run(t, nil, append([]string{"keys", "rotate", "--now"}, tool...)...)
		kid, _, _ := strings.Cut(said, " ")
		for _, address := range []string{u.old, u.new} {
			u.board.lead(address)
			for !strings.Contains(fetch(t, http.DefaultClient, u.n.base+"/jwks"), kid) {
				if t.Context().Err() != nil {
					t.Fatal("the new key is not served at " + address)
				}
			}
		}
		harness.Run(t, nil, slices.Concat([]string{"account", "lock"}, tool, []string{fresh.who.Number})...)
		for _, address := range []string{u.new, u.old} {
			u.board.lead(address)
			u.ended(t, address, fresh)
			u.goesOn(t, early)
		}
	})
	t.Run("a tool of the release before in a wrong folder stops no node of this one", func(t *testing.T) {
		harness.Use(t, u.legacy)
		harness.Run(t, nil, "client", "list", "--state", filepath.Join(t.TempDir(), "wrong"), "--database", database)
		harness.Use(t, "")
		tool := []string{"--state", u.n.state, "--database", database}
		strangers := regexp.MustCompile(`(?m)^(\S+) is not in the key store`).FindAllStringSubmatch(harness.Run(t, nil, append([]string{"keys", "status"}, tool...)...), -1)
		if len(strangers) == 0 {
			t.Fatal("keys status does not show what was announced")
		}
		u.board.lead(u.new)
		u.goesOn(t, early)
		u.goesOn(t, u.arrives(t))
		if body := open(t, http.DefaultClient, http.MethodGet, u.n.base+"/readyz", nil).raw; !strings.Contains(body, `"keys":"ok"`) {
			t.Errorf("readiness: %s", body)
		}
		for _, kid := range strangers {
			harness.Run(t, nil, append(append([]string{"keys", "revoke"}, tool...), "--why", "announced from a wrong folder", "--yes", "--", kid[1])...)
		}
		u.board.lead(u.old)
		for !strings.Contains(open(t, http.DefaultClient, http.MethodGet, u.n.base+"/readyz", nil).raw, `"keys":"ok"`) {
			if t.Context().Err() != nil {
				t.Fatal("the node of the release before does not recover")
			}
		}
		u.goesOn(t, early)
	})
}
