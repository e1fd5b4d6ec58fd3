package redeem

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/redeem/engine"
	"hopnhat/authz/request"
)

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	callback  = "https://app.example/cb"
)

var now = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)

// presented is a code as it ought to be presented, and its grant.
func presented() (*Request, *grant.Grant) {
	client := &authz.Client{ID: "app", Profile: authz.OIDC, Requests: authz.Requests{GrantTypes: []string{"authorization_code", "refresh_token"}, Scopes: []string{"openid"}}}
	profile := authz.Profiles[authz.OIDC]
	q := &Request{
		Client: &clientauth.Registered{Client: client, Profile: profile}, Now: now,
		Form: url.Values{"grant_type": {"authorization_code"}, "code": {"c"}, "redirect_uri": {callback}, "code_verifier": {verifier}},
	}
	g := &grant.Grant{
		ID: "018f0000-0000-7000-8000-000000000001", ClientID: "app", Principal: authz.Herself("p"), Scope: []string{"openid"},
		Request: request.Authorization{RedirectURI: callback, CodeChallenge: challenge, ResponseType: "code"},
		Created: now.Add(-time.Second), Expires: now.Add(time.Hour), CodeExpires: now.Add(time.Minute), RefreshSalt: []byte("salt"),
	}
	return q, g
}

// check gives the clause of the first rule that is broken.
func check(q *Request, g *grant.Grant) (clause string, refusal *authz.Error) {
	if refusal = checkCode(q, g); refusal != nil {
		clause = refusal.Clause
	}
	return clause, refusal
}

// TestCodeRules: a code that was stolen or injected is bound to its app, its redirect URI, its
// verifier and the key that was named for it (RFC 9700 §4.5).
func TestCodeRules(t *testing.T) {
	short := "too-short"
	digest := sha256.Sum256([]byte(short))
	without := func(q *Request) { q.Client.CodeWithoutPKCE = true }
	for _, row := range []struct {
		name   string
		change func(q *Request, g *grant.Grant)
		clause string // how the rule's clause begins; empty: the code is good
		code   authz.Code
	}{
		{"RFC 6749 §4.1.3: as it was asked for", func(*Request, *grant.Grant) {}, "", ""},
		{"RFC 6749 §5.2: another app's", func(_ *Request, g *grant.Grant) { g.ClientID = "other" }, "RFC 6749 §5.2", authz.InvalidGrant},
		{"RFC 6749 §4.1.2: spent", func(_ *Request, g *grant.Grant) { g.CodeSpent = now }, "RFC 6749 §4.1.2: used", authz.InvalidGrant},
		{"RFC 6749 §4.1.2: its grant was revoked", func(_ *Request, g *grant.Grant) { g.Revoked = now }, "RFC 6749 §4.1.2: used", authz.InvalidGrant},
		{"RFC 6749 §4.1.2: in its last moment", func(q *Request, g *grant.Grant) { q.Now = g.CodeExpires.Add(-1) }, "", ""},
		{"RFC 6749 §4.1.2: expired", func(q *Request, g *grant.Grant) { q.Now = g.CodeExpires }, "RFC 6749 §4.1.2: in its", authz.InvalidGrant},
		{"RFC 6749 §4.1.3: another redirect_uri", func(q *Request, _ *grant.Grant) { q.Form.Set("redirect_uri", callback+"/") }, "RFC 6749 §4.1.3", authz.InvalidGrant},
		{"RFC 6749 §4.1.3: the same but for case", func(q *Request, _ *grant.Grant) { q.Form.Set("redirect_uri", strings.ToUpper(callback)) }, "RFC 6749 §4.1.3", authz.InvalidGrant},
		{"RFC 7636 §4.6: no verifier", func(q *Request, _ *grant.Grant) { q.Form.Del("code_verifier") }, "RFC 7636 §4.6", authz.InvalidGrant},
		{"RFC 7636 §4.6: another verifier", func(q *Request, _ *grant.Grant) { q.Form.Set("code_verifier", challenge) }, "RFC 7636 §4.6", authz.InvalidGrant},
		{"RFC 7636 §4.1: a verifier that is too short", func(q *Request, g *grant.Grant) {
			q.Form.Set("code_verifier", short)
			g.Request.CodeChallenge = base64.RawURLEncoding.EncodeToString(digest[:])
		}, "RFC 7636 §4.6", authz.InvalidGrant},
		{"RFC 7636 §4.6: no challenge, of an app that must send one", func(_ *Request, g *grant.Grant) { g.Request.CodeChallenge = "" }, "RFC 7636 §4.6", authz.InvalidRequest},
		{"RFC 7636 §4.6: neither, of an app that registered so", func(q *Request, g *grant.Grant) {
			without(q)
			g.Request.CodeChallenge = ""
			q.Form.Del("code_verifier")
		}, "", ""},
		{"RFC 7636 §4.6: a verifier alone, of such an app", func(q *Request, g *grant.Grant) { without(q); g.Request.CodeChallenge = "" }, "RFC 7636 §4.6", authz.InvalidGrant},
		{"RFC 7636 §4.6: a challenge that such an app sent binds", func(q *Request, _ *grant.Grant) { without(q); q.Form.Del("code_verifier") }, "RFC 7636 §4.6", authz.InvalidGrant},
		{"RFC 9449 §10: the key of dpop_jkt", func(q *Request, g *grant.Grant) {
			g.Request.DPoPKeyThumbprint, q.Confirmation.JKT = "k", "k"
		}, "", ""},
		{"RFC 9449 §10: another key", func(q *Request, g *grant.Grant) {
			g.Request.DPoPKeyThumbprint, q.Confirmation.JKT = "k", "l"
		}, "RFC 9449 §10", authz.InvalidGrant},
		{"RFC 9449 §10: no key", func(_ *Request, g *grant.Grant) { g.Request.DPoPKeyThumbprint = "k" }, "RFC 9449 §10", authz.InvalidGrant},
	} {
		t.Run(row.name, func(t *testing.T) {
			q, g := presented()
			row.change(q, g)
			clause, refusal := check(q, g)
			switch {
			case row.clause == "" && refusal != nil:
				t.Fatalf("refused under %q: %v", clause, refusal)
			case row.clause == "":
			case refusal == nil:
				t.Fatal("let through")
			case !strings.HasPrefix(clause, row.clause) || refusal.Code != row.code:
				t.Fatalf("got %s under %q, want %s under %q", refusal.Code, clause, row.code, row.clause)
			}
		})
	}
}

// TestTheEngineAgrees: what our rules let through the engine lets through, and what they
// refuse it refuses, with the same code (docs/decisions.md D3).
func TestTheEngineAgrees(t *testing.T) {
	e := engine.New(engine.Options{
		Authorize: "https://id.example/authorize", Token: "https://id.example/token", Access: time.Minute, Grant: time.Hour,
	})
	rapid.Check(t, func(t *rapid.T) {
		q, g := presented()
		draw := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
		q.Client.CodeWithoutPKCE = rapid.Bool().Draw(t, "without PKCE")
		q.Form.Set("redirect_uri", draw("redirect_uri", callback, callback, "https://other.example/cb", ""))
		q.Form.Set("code_verifier", draw("verifier", verifier, verifier, "short", strings.Repeat("v", 129), strings.Repeat("é", 43), ""))
		digest := sha256.Sum256([]byte(q.Form.Get("code_verifier")))
		g.Request.CodeChallenge = draw("challenge", challenge, base64.RawURLEncoding.EncodeToString(digest[:]), "")
		g.ClientID = authz.ClientID(draw("owner", "app", "app", "app", "other"))
		q.Now = now.Add(time.Duration(rapid.IntRange(0, 70).Draw(t, "seconds")) * time.Second)
		if rapid.IntRange(0, 4).Draw(t, "spent") == 0 {
			g.CodeSpent = now
		}
		if rapid.IntRange(0, 4).Draw(t, "revoked") == 0 {
			g.Revoked = now
		}
		clause, ours := check(q, g)
		refreshes, theirs := e.Code(t.Context(), q.Client, g, q.Form, q.Now)
		switch {
		case (ours == nil) != (theirs == nil):
			t.Fatalf("ours %v under %q, the engine's %v", ours, clause, theirs)
		case ours != nil && ours.Code != theirs.Code:
			t.Fatalf("ours %s under %q, the engine's %s", ours.Code, clause, theirs.Code)
		case ours == nil && !refreshes:
			t.Fatal("an app of the refresh grant gets no refresh token")
		}
	})
}
