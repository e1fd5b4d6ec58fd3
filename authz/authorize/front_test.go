package authorize_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/authztest"
	"hopnhat/authz/grant"
)

func half(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// TestFrontChannel holds each response type in each mode to what it must bring.
func TestFrontChannel(t *testing.T) {
	for _, responseType := range authz.Profiles[authz.OIDC].ResponseTypes {
		for asked, want := range map[string]string{
			"": "", "fragment": "fragment", "form_post": "form_post", "jwt": "jwt",
			"form_post.jwt": "form_post.jwt",
		} {
			t.Run(responseType+" by "+asked, func(t *testing.T) {
				w := authztest.New(t)
				w.OptIn()
				f := authztest.Authorization("response_type", responseType, "nonce", "n1", "scope", "openid offline_access")
				if asked != "" {
					f.Set("response_mode", asked)
				}
				mode, answer := w.Sent(t, f)
				words := strings.Fields(responseType)
				has := func(word string) bool { return strings.Contains(" "+responseType+" ", " "+word+" ") }
				usual := "query"
				if len(words) > 1 || has("id_token") {
					usual = "fragment"
				}
				switch want {
				case "":
					want = usual
				case "jwt":
					want = usual + ".jwt"
				}
				if mode != want {
					t.Errorf("the answer came by %s, want %s", mode, want)
				}
				for parameter, there := range map[string]bool{
					// OpenID Connect Core §3.3.2.5
					"code": has("code"), "id_token": has("id_token"), "access_token": has("token"), "token_type": has("token"),
					"expires_in":    has("token"),
					"refresh_token": false, "iss": true, "state": true,
				} {
					if answer.Has(parameter) != there {
						t.Errorf("%s: there is %v, want %v", parameter, answer.Has(parameter), there)
					}
				}
				if len(w.Memory.Grants) != 1 {
					t.Fatalf("%d grants", len(w.Memory.Grants))
				}
				if has("id_token") {
					id := authztest.PartOf(t, answer.Get("id_token"), 1)
					hashes := map[string]any{"nonce": "n1", "s_hash": half("s1"), "aud": "app", "sub": "app/p", "sid": "s/app"}
					if has("code") {
						hashes["c_hash"] = half(answer.Get("code"))
					}
					if has("token") {
						hashes["at_hash"] = half(answer.Get("access_token"))
					}
					for claim, value := range hashes {
						if id[claim] != value {
							t.Errorf("OpenID Connect Core §3.3.2.11, FAPI 1.0 Advanced §5.1, §5.2.2.1: %s is %v, want %v", claim, id[claim], value)
						}
					}
					if (id["c_hash"] != nil) != has("code") || (id["at_hash"] != nil) != has("token") {
						t.Errorf("a hash of nothing: %v", id)
					}
				}
				if has("token") {
					w.FrontToken(t, answer.Get("access_token"))
				}
				if has("code") {
					if got := w.RedeemAsApp(answer.Get("code")); got.Code != http.StatusOK ||
						!strings.Contains(got.Body.String(), "refresh_token") {
						t.Errorf("the code: %d %s", got.Code, got.Body)
					}
				}
			})
		}
	}
}

// TestErrorsGoBackAsTheAnswerWould: Multiple Response Types §5; a silent
// request that is refused leaves nothing behind, in whatever mode.
func TestErrorsGoBackAsTheAnswerWould(t *testing.T) {
	for _, row := range []struct{ name, responseType, responseMode, mode string }{
		{"OpenID Connect Core §3.1.2.6: code", "code", "", "query"},
		{"code, fragment", "code", "fragment", "fragment"},
		{"code, form_post", "code", "form_post", "form_post"},
		{"code, jwt", "code", "jwt", "query.jwt"},
		{"code, fragment.jwt", "code", "fragment.jwt", "fragment.jwt"},
		{"code, form_post.jwt", "code", "form_post.jwt", "form_post.jwt"},
		{"id_token", "id_token", "", "fragment"},
		{"id_token, form_post", "id_token", "form_post", "form_post"},
		{"code token, jwt", "code token", "jwt", "fragment.jwt"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := authztest.New(t)
			w.OptIn()
			w.SignedIn = false
			f := authztest.Authorization("response_type", row.responseType, "prompt", "none", "nonce", "n")
			if row.responseMode != "" {
				f.Set("response_mode", row.responseMode)
			}
			for range 2 { // again: a reload
				mode, answer := w.Sent(t, f)
				if mode != row.mode || answer.Get("error") != "login_required" || answer.Get("state") != "s1" ||
					answer.Get("iss") != "https://id.example" {
					t.Fatalf("by %s: %v", mode, answer)
				}
			}
			if len(w.Memory.Requests)+len(w.Memory.Grants) != 0 {
				t.Fatal("a refused silent request left rows")
			}
			f.Del("prompt")
			next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+f.Encode(), nil))
			if err != nil || !strings.HasPrefix(next.Location, "https://id.example/signin?") {
				t.Fatalf("one that may ask: sent to %q, %v", next.Location, err)
			}
		})
	}
}

// TestUnsignedRequestObjects: OpenID Connect Core §6.1, and
// OpenID Connect Dynamic Registration §2 of an app that registered no algorithm for them.
func TestUnsignedRequestObjects(t *testing.T) {
	b64 := base64.RawURLEncoding.EncodeToString
	object := func(header, claims string) string { return b64([]byte(header)) + "." + b64([]byte(claims)) + "." }
	good := object(`{"alg":"none"}`,
		`{"redirect_uri":"https://app.example/cb","state":"inside","code_challenge":"`+authztest.Challenge+`","code_challenge_method":"S256"}`)
	opted := func(w *authztest.World) { w.OptIn() }
	for _, row := range []struct {
		name, object string
		app          func(*authztest.World)
		code         string
	}{
		{"registered so", good, opted, ""},
		{"OpenID Connect Dynamic Registration §2: no algorithm registered, so any", good, func(*authztest.World) {}, ""},
		{"another algorithm registered", good, func(w *authztest.World) { w.App.RequestObjectAlg = "ES256" }, "invalid_request_object"},
		{"RFC 9101 §10.5: require_signed_request_object", good, func(w *authztest.World) { w.App.RequireRequestObject = true }, "invalid_request_object"},
		{"a signed one where there is no key", object(`{"alg":"ES256"}`, `{}`) + "AAAA", func(*authztest.World) {}, "invalid_request_object"},
		{"RFC 7518 §3.6: a signature all the same", good + "AAAA", opted, "invalid_request_object"},
		{"and where nothing is registered", good + "AAAA", func(*authztest.World) {}, "invalid_request_object"},
		{"another algorithm", object(`{"alg":"HS256"}`, `{}`), opted, "invalid_request_object"},
		{"another response_type inside", object(`{"alg":"none"}`, `{"response_type":"id_token"}`), opted, "invalid_request_object"},
		{"RFC 9101 §4: a request inside", object(`{"alg":"none"}`, `{"request":"x"}`), opted, "invalid_request_object"},
		{"not a JWT", "x", opted, "invalid_request_object"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := authztest.New(t)
			row.app(w)
			mode, answer := w.Sent(t, authztest.Authorization("request", row.object, "state", "outside"))
			if mode != "query" || answer.Get("error") != row.code {
				t.Fatalf("by %s: %v", mode, answer)
			}
			if state := answer.Get("state"); row.code == "" && state != "inside" || row.code != "" && state != "outside" {
				t.Fatalf("state %q", state)
			}
		})
	}
	t.Run("RFC 9101 §10.2: longer than any is read", func(t *testing.T) {
		_, _, err := authztest.New(t).Open(t, authztest.Authorization("request", good+strings.Repeat("A", 32<<10)))
		if refusal := authz.AsError(err); err == nil || refusal.Code != authz.InvalidRequest || refusal.Redirectable {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("profile fapi2 never", func(t *testing.T) {
		w := authztest.New(t)
		app := *w.App
		app.Profile, app.Method = authz.FAPI2, authz.PrivateKeyJWT
		w.App = &app
		if _, _, err := w.Open(t, authztest.Authorization("request", good)); authz.AsError(err) == nil ||
			authz.AsError(err).Code != authz.InvalidRequestObject {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("no redirect URI that is the app's", func(t *testing.T) {
		w := authztest.New(t)
		w.App.RequestObjectAlg = "ES256"
		_, _, err := w.Open(t, authztest.Authorization("request", good, "redirect_uri", "https://evil.example"))
		if refusal := authz.AsError(err); refusal == nil || refusal.Redirectable {
			t.Fatalf("got %v", err)
		}
	})
}

// TestPostedRequest: OpenID Connect Core §3.1.2.1. A form of the app brings no
// cookie (SameSite=Lax), so who seems not signed in is looked at again by GET.
func TestPostedRequest(t *testing.T) {
	post := func(w *authztest.World, f url.Values) response.Next {
		r := httptest.NewRequest(http.MethodPost, "/authorize", strings.NewReader(f.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		next, err := w.Authorize(r)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	w := authztest.New(t)
	w.SignedIn = false
	next := post(w, authztest.Authorization("prompt", "none"))
	u, err := url.Parse(next.Location)
	if err != nil || u.Path != "/authorize/resume" {
		t.Fatalf("sent to %s", next.Location)
	}
	w.SignedIn = true
	next, err = w.Resume(httptest.NewRequest(http.MethodGet, next.Location, nil), grant.Handle(u.Query().Get("a")))
	if err != nil || !strings.Contains(next.Location, "code=") {
		t.Fatalf("%v, %v", next, err)
	}
	if next := post(w, authztest.Authorization()); !strings.Contains(next.Location, "code=") {
		t.Fatalf("with the cookie: %v", next)
	}
}

// TestGoingBack: a request can be opened again until it was answered; then it says
// that it was, whoever asks, and gives nothing new.
func TestGoingBack(t *testing.T) {
	w := authztest.New(t)
	w.SignedIn = false
	f := authztest.Authorization()
	next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+f.Encode(), nil))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(next.Location)
	if err != nil {
		t.Fatal(err)
	}
	handle := grant.Handle(u.Query().Get("a"))
	for range 3 { // RFC 9126 §4: a reload does not burn it
		if _, err := w.Waiting(t.Context(), handle); err != nil {
			t.Fatal(err)
		}
	}
	w.SignedIn = true
	if next, err = w.Resume(httptest.NewRequest(http.MethodGet, next.Location, nil), handle); err != nil ||
		!strings.Contains(next.Location, "code=") {
		t.Fatalf("%v, %v", next, err)
	}
	w.Now = w.Now.Add(time.Minute) // no double tap
	for name, again := range map[string]func() error{
		"the page": func() error { _, err := w.Waiting(t.Context(), handle); return err },
		"the step": func() error { _, err := w.Resume(httptest.NewRequest(http.MethodGet, "/", nil), handle); return err },
		"the answer": func() error {
			_, err := w.Decline(httptest.NewRequest(http.MethodGet, "/", nil), handle, nil)
			return err
		},
		"the consent": func() error {
			_, err := w.Approve(httptest.NewRequest(http.MethodPost, "/", nil), handle, "", func(context.Context,
				authorize.Waiting, authorize.SignedIn,
			) ([]authz.Release, error) {
				return nil, nil
			})
			return err
		},
	} {
		var finished authorize.Finished
		if err := again(); !errors.As(err, &finished) || finished.Client.ID != "app" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(w.Memory.Grants) != 1 {
		t.Errorf("%d grants", len(w.Memory.Grants))
	}
	if _, err := w.Waiting(t.Context(), handle+"x"); !errors.Is(err, authorize.ErrGone) {
		t.Errorf("a made-up handle: %v", err)
	}
}

// TestTheSameAnswerTwice: a browser drops the answer to what is pressed again, and
// shows that to the second press. Which leads where the first led, for a moment, in the
// same session, if it says the same; there is one grant, one record, and one code,
// that is good once (RFC 6749 §4.1.2).
func TestTheSameAnswerTwice(t *testing.T) {
	type taps struct {
		*authztest.World
		handle  grant.Handle
		records int
	}
	agree := func(said string) func(*taps) (response.Next, error) {
		return func(w *taps) (response.Next, error) {
			return w.Approve(httptest.NewRequest(http.MethodPost, "/consent", nil), w.handle, said,
				func(context.Context, authorize.Waiting, authorize.SignedIn) ([]authz.Release, error) {
					w.records++
					return nil, nil
				})
		}
	}
	decline := func(w *taps) (response.Next, error) {
		return w.Decline(
			httptest.NewRequest(http.MethodPost, "/consent", nil), w.handle, func(context.Context) error { w.records++; return nil },
		)
	}
	cancel := func(w *taps) (response.Next, error) {
		return w.Decline(httptest.NewRequest(http.MethodGet, "/signin/cancel", nil), w.handle, nil)
	}
	resume := func(w *taps) (response.Next, error) {
		return w.Resume(httptest.NewRequest(http.MethodGet, "/authorize/resume", nil), w.handle)
	}
	for _, row := range []struct {
		name          string
		ask           []string
		first, second func(*taps) (response.Next, error)
		between       func(*taps)
		same          bool
	}{
		{"agreeing", nil, agree("a"), agree("a"), nil, true},
		{"agreeing, answered by a form", []string{"response_mode", "form_post"}, agree("a"), agree("a"), nil, true},
		{"the step after a code was typed", nil, resume, resume, nil, true},
		{"declining", nil, decline, decline, nil, true},
		{"giving up", nil, cancel, cancel, nil, true},
		{"giving up after declining", nil, decline, cancel, nil, true},
		{"agreeing to something else", nil, agree("a"), agree("b"), nil, false},
		{"agreeing after declining", nil, decline, agree("a"), nil, false},
		{"declining after agreeing", nil, agree("a"), decline, nil, false},
		{"giving up after agreeing", nil, agree("a"), cancel, nil, false},
		{"going on after agreeing", nil, agree("a"), resume, nil, false},
		{"a minute later", nil, agree("a"), agree("a"), func(w *taps) { w.Now = w.Now.Add(time.Minute) }, false},
		{"giving up a minute later", nil, cancel, cancel, func(w *taps) { w.Now = w.Now.Add(time.Minute) }, false},
		{"signed out meanwhile", nil, agree("a"), agree("a"), func(w *taps) { w.SignedIn = false }, false},
		{"another session", nil, agree("a"), agree("a"), func(w *taps) { w.Session = "another" }, false},
		{"the code was redeemed", nil, agree("a"), agree("a"), func(w *taps) {
			for id, g := range w.Memory.Grants {
				g.CodeSpent = w.Now
				w.Memory.Grants[id] = g
			}
		}, false},
		{"the grant was ended", nil, agree("a"), agree("a"), func(w *taps) {
			for id, g := range w.Memory.Grants {
				g.Revoked = w.Now
				w.Memory.Grants[id] = g
			}
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := &taps{World: authztest.New(t)}
			w.SignedIn = false
			next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+authztest.Authorization(row.ask...).Encode(), nil))
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(next.Location)
			if err != nil {
				t.Fatal(err)
			}
			w.handle, w.SignedIn = grant.Handle(u.Query().Get("a")), true
			first, err := row.first(w)
			if err != nil {
				t.Fatal(err)
			}
			records, grants := w.records, len(w.Memory.Grants)
			if row.between != nil {
				row.between(w)
			}
			second, err := row.second(w)
			switch finished := new(authorize.Finished); {
			case row.same && (err != nil || !reflect.DeepEqual(first, second)):
				t.Errorf("got %v, %v, want %v", second, err, first)
			case !row.same && (!errors.As(err, finished) || finished.Client == nil):
				t.Errorf("got %v, %v, want to be told that it is over", second, err)
			}
			if w.records != records || len(w.Memory.Grants) != grants {
				t.Errorf("%d records and %d grants, were %d and %d", w.records, len(w.Memory.Grants), records, grants)
			}
		})
	}
}

// TestIDTokenHint: OpenID Connect Core §3.1.2.1, checked whether or not anybody is
// signed in.
func TestIDTokenHint(t *testing.T) {
	w := authztest.New(t)
	w.OptIn()
	_, answer := w.Sent(t, authztest.Authorization("response_type", "id_token", "nonce", "n"))
	hint := answer.Get("id_token")
	for _, row := range []struct {
		name, hint string
		signedIn   bool
		code       string
	}{
		{"the person who is signed in", hint, true, ""},
		{"nobody is signed in", hint, false, "login_required"},
		{"not a token of ours", "x.y.z", false, "invalid_request"},
		{"not a token of ours, signed in", "x.y.z", true, "invalid_request"},
		{"an access token", "hna.x.y", true, "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w.SignedIn = row.signedIn
			if _, answer := w.Sent(t, authztest.Authorization("prompt", "none", "id_token_hint",
				row.hint)); answer.Get("error") != row.code {
				t.Fatalf("got %v", answer)
			}
		})
	}
}

// TestEssentialACR: OpenID Connect Core §5.5.1.1, the answer says a level that was
// demanded, or there is none.
func TestEssentialACR(t *testing.T) {
	const level = "urn:vn:gov:eid:auth-level:"
	for _, row := range []struct{ name, claims, code, acr string }{
		{"the level of the session", `{"id_token":{"acr":{"essential":true,"value":"` + level + `2"}}}`, "", level + "2"},
		{"one below", `{"id_token":{"acr":{"essential":true,"values":["phr","` + level + `1"]}}}`, "", level + "1"},
		{"any will do", `{"id_token":{"acr":{"essential":true}}}`, "", level + "2"},
		{"out of reach", `{"id_token":{"acr":{"essential":true,"values":["` + level + `3"]}}}`, "unmet_authentication_requirements", ""},
		{"none of ours", `{"id_token":{"acr":{"essential":true,"values":["phr"]}}}`, "unmet_authentication_requirements", ""},
		{"no text at all", `{"id_token":{"acr":{"essential":true,"values":[2]}}}`, "unmet_authentication_requirements", ""},
		{"a wish out of reach", `{"id_token":{"acr":{"values":["` + level + `4"]}}}`, "", level + "2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := authztest.New(t)
			w.OptIn()
			_, answer := w.Sent(t, authztest.Authorization("response_type", "id_token", "nonce", "n", "claims", row.claims))
			if answer.Get("error") != row.code {
				t.Fatalf("got %v", answer)
			}
			if row.code == "" && authztest.PartOf(t, answer.Get("id_token"), 1)["acr"] != row.acr {
				t.Fatalf("acr is %v, want %s", authztest.PartOf(t, answer.Get("id_token"), 1)["acr"], row.acr)
			}
		})
	}
}

// TestTheSameAnswerAtOnce: of a form that is sent twice at once the second may find what
// the first has recorded, and cannot record it again; it leads where the first led. What
// cannot be recorded for another reason stays the error that it is.
func TestTheSameAnswerAtOnce(t *testing.T) {
	changed := errors.New("what was shown has changed since")
	for _, row := range []struct {
		name        string
		first, then string // what was said; nothing: it did not come
		same        bool
	}{
		{"the same", "a", "a", true},
		{"another answer", "b", "a", false},
		{"none before", "", "a", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := authztest.New(t)
			w.SignedIn = false
			waiting, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+authztest.Authorization().Encode(), nil))
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(waiting.Location)
			if err != nil {
				t.Fatal(err)
			}
			w.SignedIn = true
			approve := func(said string, record func() error) (response.Next, error) {
				return w.Approve(httptest.NewRequest(http.MethodPost, "/consent", nil), grant.Handle(u.Query().Get("a")), said,
					func(context.Context, authorize.Waiting, authorize.SignedIn) ([]authz.Release, error) {
						return nil, record()
					})
			}
			var first response.Next
			second, err := approve(row.then, func() (failed error) {
				if row.first != "" {
					if first, failed = approve(row.first, func() error { return nil }); failed != nil {
						t.Error(failed)
					}
				}
				return changed
			})
			switch {
			case row.same && (err != nil || second.Location != first.Location || second.Location == ""):
				t.Errorf("got %q, %v, want %q", second.Location, err, first.Location)
			case row.first == "" && !errors.Is(err, changed):
				t.Errorf("got %v, want that it has changed", err)
			case !row.same && row.first != "" && !errors.As(err, new(authorize.Finished)):
				t.Errorf("got %v, want that it is finished", err)
			}
			grants := 1
			if row.first == "" {
				grants = 0
			}
			if len(w.Memory.Grants) != grants {
				t.Errorf("%d grants, want %d", len(w.Memory.Grants), grants)
			}
		})
	}
}
