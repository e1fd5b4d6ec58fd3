package upstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/federation/upstream"
	"hopnhat/keys/jose"
)

var now = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)

const file = `{"providers": [{
	"alias": "vneid", "name": {"vi": "VNeID", "en": "VNeID"}, "issuer": "https://vneid.example", "client_id": "hopnhat",
	"scopes": ["number"], "levels": {"loa1": 1, "loa2": 2}, "number_claim": "personal_number"
}]}`

func provider(t testing.TB) *upstream.Provider {
	t.Helper()
	list, err := upstream.Parse([]byte(file), false)
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func TestParseRefuses(t *testing.T) {
	for _, row := range []struct{ name, old, with string }{
		{"a member that is unknown", `"scopes"`, `"scope": [], "scopes"`},
		{"a member twice", `"client_id": "hopnhat"`, `"client_id": "hopnhat", "client_id": "b"`},
		{"no alias", `"alias": "vneid"`, `"alias": ""`},
		{"an alias that is no path", `"alias": "vneid"`, `"alias": "../x"`},
		{"a name in one language only", `"en": "VNeID"`, `"en": ""`},
		{"OpenID Connect Discovery §4.3: an issuer that is not https", `https://vneid.example`, `http://vneid.example`},
		{"OpenID Connect Discovery §4.3: an issuer with a query", `https://vneid.example`, `https://vneid.example?a=b`},
		{"an issuer with credentials", `https://vneid.example`, `https://a:b@vneid.example`},
		{"no client_id", `"client_id": "hopnhat"`, `"client_id": ""`},
		{"RFC 6749 §3.3: a scope with a space", `["number"]`, `["number email"]`},
		{"RFC 8725 §3.1: an unsigned token", `"scopes"`, `"algorithms": ["none"], "scopes"`},
		{"RFC 8725 §3.1: a symmetric signature", `"scopes"`, `"algorithms": ["HS256"], "scopes"`},
		{"no table of levels", `{"loa1": 1, "loa2": 2}`, `{}`},
		{"a level that does not exist", `"loa2": 2`, `"loa2": 5`},
		{"levels that reach no sign-in", `"loa2": 2`, `"loa2": 1`},
		{"a link by the number below level 2", `"scopes"`, `"link_level": 1, "scopes"`},
		{"CVE-2026-14781: persons named by an e-mail address", `"personal_number"`, `"email"`},
		{"persons named by a telephone number", `"personal_number"`, `"phone_number"`},
		{"a way of registration that does not exist", `"scopes"`, `"registration": "hope", "scopes"`},
		{"OpenID Federation 1.0 §12.1: a client_id beside automatic registration", `"scopes"`, `"registration": "automatic", "scopes"`},
		{"automatic registration at a provider that is trusted by its address", `"client_id": "hopnhat",`, `"registration": "automatic", "trust": "discovery",`},
		{"a way of trust that does not exist", `"scopes"`, `"trust": "hope", "scopes"`},
		{"a network that is none", `"scopes"`, `"networks": ["10.0.0.0"], "scopes"`},
		{"no provider", file, `{"providers": []}`},
		{"null", file, `{"providers": [null]}`},
		{"something behind the object", file, file + `{}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			raw := strings.Replace(file, row.old, row.with, 1)
			if raw == file {
				t.Fatal("the row changes nothing")
			}
			if list, err := upstream.Parse([]byte(raw), false); err == nil {
				t.Fatalf("got %+v, want an error", list[0])
			}
		})
	}
	twice := strings.Replace(file, "}]}", "},"+strings.TrimPrefix(strings.Replace(file, "vneid\"", "b\"", 1), `{"providers": [`), 1)
	if _, err := upstream.Parse([]byte(twice), false); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("RFC 9700 §4.4: two providers of one issuer: got %v", err)
	}
}

// TestParseFills: what is left out is the careful value.
func TestParseFills(t *testing.T) {
	p := provider(t)
	if p.LeastLevel != 2 || p.LinkLevel != 2 || p.Trust != upstream.ByDiscovery || len(p.Algorithms) != 1 || p.Algorithms[0] != "ES256" {
		t.Fatalf("got %+v", p)
	}
	if got := p.ACRValues(1); strings.Join(got, " ") != "loa1 loa2" {
		t.Fatalf("acr values of level 1: got %v", got)
	}
}

func TestOrder(t *testing.T) {
	one := func(alias, order string) string {
		return strings.NewReplacer(`"vneid"`, `"`+alias+`", "order": `+order, "vneid.example", alias+".example").Replace(
			strings.TrimSuffix(strings.TrimPrefix(file, `{"providers": [`), "]}"))
	}
	list, err := upstream.Parse([]byte(`{"providers": [`+one("c", "1")+","+one("a", "2")+","+one("b", "1")+`]}`), false)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(list[0].Alias + list[1].Alias + list[2].Alias); got != "bca" {
		t.Fatalf("got %q, want bca: by order, then by alias", got)
	}
}

const metadata = `{"issuer": "https://vneid.example", "authorization_endpoint": "https://vneid.example/authorize", "token_endpoint": "https://vneid.example/token",
	"jwks_uri": "https://vneid.example/jwks", "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
	"token_endpoint_auth_methods_supported": ["private_key_jwt"], "authorization_response_iss_parameter_supported": true}`

func TestMetadataRefuses(t *testing.T) {
	p := provider(t)
	if m, err := p.Metadata([]byte(metadata), false); err != nil || !m.NamesIssuer {
		t.Fatalf("good metadata: %+v, %v", m, err)
	}
	for _, row := range []struct{ name, old, with string }{
		{"OpenID Connect Discovery §4.3: another issuer", `"issuer": "https://vneid.example"`, `"issuer": "https://evil.example"`},
		{"the same issuer, written in another way", `"issuer": "https://vneid.example"`, `"issuer": "https://vneid.example/"`},
		{"an authorization endpoint without TLS", `https://vneid.example/authorize`, `http://vneid.example/authorize`},
		{"a token endpoint without TLS", `https://vneid.example/token`, `http://vneid.example/token`},
		{"a key set without TLS", `https://vneid.example/jwks`, `http://vneid.example/jwks`},
		{"no key set", `"jwks_uri": "https://vneid.example/jwks",`, ``},
		{"RFC 9700 §2.1.1: no PKCE", `"code_challenge_methods_supported": ["S256"],`, ``},
		{"RFC 7636 §4.2: plain only", `["S256"]`, `["plain"]`},
		{"no private_key_jwt", `["private_key_jwt"]`, `["client_secret_post"]`},
		{"OpenID Connect Discovery §3: client_secret_basic is meant", `"token_endpoint_auth_methods_supported": ["private_key_jwt"],`, ``},
		{"no code", `["code"]`, `["id_token"]`},
		{"a member twice", `"jwks_uri"`, `"token_endpoint": "https://evil.example", "jwks_uri"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			raw := strings.Replace(metadata, row.old, row.with, 1)
			if raw == metadata {
				t.Fatal("the row changes nothing")
			}
			if _, err := p.Metadata([]byte(raw), false); !errors.Is(err, upstream.ErrMetadata) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	p := provider(t)
	m, err := p.Metadata([]byte(strings.Replace(metadata, "/authorize", "/authorize?tenant=1", 1)), false)
	if err != nil {
		t.Fatal(err)
	}
	a := upstream.NewAsk(now)
	a.Fresh, a.Locales = true, []string{"vi"}
	u, err := url.Parse(p.Request(m, "https://id.example/signin/upstream/vneid/callback", a))
	if err != nil {
		t.Fatal(err)
	}
	challenge := sha256.Sum256([]byte(a.Verifier))
	for name, want := range map[string]string{
		"tenant": "1", "response_type": "code", "client_id": "hopnhat", "scope": "openid number", "state": a.State, "nonce": a.Nonce,
		"redirect_uri": "https://id.example/signin/upstream/vneid/callback", "code_challenge_method": "S256",
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "prompt": "login", "max_age": "0", "acr_values": "loa2", "ui_locales": "vi",
	} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if strings.Contains(u.String(), a.Verifier) {
		t.Error("RFC 7636 §4.3: the verifier stands in the request")
	}
	if b := upstream.NewAsk(now); b.State == a.State || b.Nonce == a.Nonce || b.Verifier == a.Verifier || len(b.Verifier) < 43 {
		t.Error("RFC 7636 §4.1: the random parts are not random")
	}
}

func reason(err error) upstream.Reason {
	var r *upstream.Refusal
	if !errors.As(err, &r) {
		return ""
	}
	return r.Reason
}

func TestResponse(t *testing.T) {
	p := provider(t)
	good := url.Values{"code": {"c"}, "state": {"s"}, "iss": {"https://vneid.example"}}
	for _, row := range []struct {
		name   string
		names  bool // the metadata say that iss is always there
		change func(url.Values)
		want   upstream.Reason
	}{
		{"a good response", true, func(url.Values) {}, ""},
		{"RFC 9207 §2.4: no iss from a provider that never sends it", false, func(q url.Values) { q.Del("iss") }, ""},
		{"RFC 9207 §2.4: no iss from a provider that always sends it", true, func(q url.Values) { q.Del("iss") }, upstream.Mixed},
		{"RFC 9207 §2.4: iss of another provider", true, func(q url.Values) { q.Set("iss", "https://evil.example") }, upstream.Mixed},
		{"RFC 9207 §2.4: iss of another provider, from one that never sends it", false, func(q url.Values) { q.Set("iss", "https://evil.example") }, upstream.Mixed},
		{"RFC 9207 §2.4: an empty iss", false, func(q url.Values) { q.Set("iss", "") }, upstream.Mixed},
		{"RFC 9207 §2.4: an error of another provider", true, func(q url.Values) { q.Set("error", "access_denied"); q.Set("iss", "https://evil.example") }, upstream.Mixed},
		{"RFC 6749 §3.1: a code twice", true, func(q url.Values) { q.Add("code", "d") }, upstream.Untrue},
		{"RFC 6749 §3.1: iss twice", true, func(q url.Values) { q.Add("iss", "https://vneid.example") }, upstream.Untrue},
		{"RFC 6749 §4.1.2: no code", true, func(q url.Values) { q.Del("code") }, upstream.Untrue},
		{"a code without end", true, func(q url.Values) { q.Set("code", strings.Repeat("c", 4000)) }, upstream.Untrue},
		{"OpenID Connect Core §3.1.2.6: the person said no", true, func(q url.Values) { q.Set("error", "access_denied") }, upstream.Cancelled},
		{"RFC 6749 §4.1.2.1: the provider is busy", true, func(q url.Values) { q.Set("error", "temporarily_unavailable") }, upstream.Silent},
		{"RFC 6749 §4.1.2.1: another error", true, func(q url.Values) { q.Set("error", "unauthorized_client") }, upstream.Untrue},
		{"the level cannot be reached", true, func(q url.Values) { q.Set("error", "unmet_authentication_requirements") }, upstream.Low},
	} {
		t.Run(row.name, func(t *testing.T) {
			q := url.Values{}
			for k, v := range good {
				q[k] = append([]string(nil), v...)
			}
			row.change(q)
			code, err := p.Response(upstream.Metadata{NamesIssuer: row.names}, q)
			if got := reason(err); got != row.want || (err == nil) != (row.want == "") || err == nil && code != "c" {
				t.Fatalf("got %q, %v, want %q", code, err, row.want)
			}
		})
	}
}

// signer signs with a key of its own.
type signer struct {
	key *ecdsa.PrivateKey
	set *jose.Set
}

func newSigner(t testing.TB) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	set, err := jose.ParseSet([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"` + b64(point[1:33]) + `","y":"` + b64(point[33:]) + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return signer{key, set}
}

func (s signer) sign(t testing.TB, header string, claims map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(raw)
	digest := sha256.Sum256([]byte(input))
	a, b, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...))
}

const header = `{"alg":"ES256","typ":"JWT","kid":"k"}`

func idClaims(a upstream.Ask) map[string]any {
	return map[string]any{
		"iss": "https://vneid.example", "sub": "person-1", "aud": "hopnhat", "exp": now.Unix() + 300, "iat": now.Unix(), "nonce": a.Nonce,
		"auth_time": now.Unix() - 60, "acr": "loa2", "personal_number": "099201000001", "sid": "session-1",
	}
}

func TestJudge(t *testing.T) {
	p, s, other := provider(t), newSigner(t), newSigner(t)
	a := upstream.NewAsk(now.Add(-5 * time.Second))
	fresh := a
	fresh.Fresh = true
	good, err := p.Judge(s.sign(t, header, idClaims(a)), s.set, a, now)
	want := upstream.Identity{
		Issuer: "https://vneid.example", Subject: "person-1", Number: "099201000001", Level: 2,
		AuthTime: now.Add(-time.Minute), Session: "session-1",
	}
	if err != nil || good != want {
		t.Fatalf("a good token: got %+v, %v", good, err)
	}
	set := func(name string, value any) func(map[string]any) {
		return func(c map[string]any) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
	}
	for _, row := range []struct {
		name   string
		change func(map[string]any)
		ask    upstream.Ask
		want   upstream.Reason // empty: it is good
	}{
		{"OpenID Connect Core §3.1.3.7 (2): iss of another provider", set("iss", "https://evil.example"), a, upstream.Mixed},
		{"OpenID Connect Core §3.1.3.7 (2): no iss", set("iss", nil), a, upstream.Mixed},
		{"OpenID Connect Core §3.1.3.7 (3): aud of another client", set("aud", "other"), a, upstream.Untrue},
		{"OpenID Connect Core §3.1.3.7 (3): aud with others beside", set("aud", []string{"hopnhat", "other"}), a, upstream.Untrue},
		{"OpenID Connect Core §3.1.3.7 (3): no aud", set("aud", nil), a, upstream.Untrue},
		{"OpenID Connect Core §2: aud as a list of one", set("aud", []string{"hopnhat"}), a, ""},
		{"OpenID Connect Core §3.1.3.7 (5): azp of another client", set("azp", "other"), a, upstream.Untrue},
		{"OpenID Connect Core §3.1.3.7 (5): azp of this server", set("azp", "hopnhat"), a, ""},
		{"OpenID Connect Core §3.1.3.7 (9): it has expired", set("exp", now.Unix()-61), a, upstream.Untrue},
		{"OpenID Connect Core §2: no exp", set("exp", nil), a, upstream.Untrue},
		{"OpenID Connect Core §2: no iat", set("iat", nil), a, upstream.Untrue},
		{"RFC 7519 §4.1.6: iat in the future", set("iat", now.Unix()+62), a, upstream.Untrue},
		{"OpenID Connect Core §3.1.3.7 (10): issued long ago", set("iat", now.Unix()-700), a, upstream.Untrue},
		{"OpenID Connect Core §3.1.3.7 (11): another nonce", set("nonce", "other"), a, upstream.Untrue},
		{"OpenID Connect Core §3.1.3.7 (11): no nonce", set("nonce", nil), a, upstream.Untrue},
		{"OpenID Connect Core §2: no sub", set("sub", nil), a, upstream.Untrue},
		{"OpenID Connect Core §2: an empty sub", set("sub", ""), a, upstream.Untrue},
		{"OpenID Connect Core §2: a sub of 256 bytes", set("sub", strings.Repeat("s", 256)), a, upstream.Untrue},
		{"OpenID Connect Core §2: no auth_time", set("auth_time", nil), a, upstream.Untrue},
		{"OpenID Connect Core §2: auth_time in the future", set("auth_time", now.Unix()+62), a, upstream.Untrue},
		{"OpenID Connect Core §3.1.3.7 (13): signed in a day ago", set("auth_time", now.Unix()-24*3600), a, upstream.Untrue},
		{"OpenID Connect Core §3.1.2.1: not signed in anew, and that was asked", set("auth_time", now.Unix()-60), fresh, upstream.Untrue},
		{"OpenID Connect Core §3.1.2.1: signed in anew", set("auth_time", now.Unix()), fresh, ""},
		{"OpenID Connect Core §3.1.3.7 (12): an acr that is not in the table", set("acr", "loa9"), a, upstream.Low},
		{"OpenID Connect Core §3.1.3.7 (12): no acr", set("acr", nil), a, upstream.Low},
		{"Back-Channel Logout §2.4: a logout token", set("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}), a, upstream.Untrue},
		{"a number of 11 digits", set("personal_number", "09920100000"), a, upstream.Untrue},
		{"a number that is no text", set("personal_number", 99201000001), a, upstream.Untrue},
		{"no number", set("personal_number", nil), a, ""},
		{"RFC 7519 §4.1: a claim of a wrong type", set("exp", "soon"), a, upstream.Untrue},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := idClaims(a)
			row.change(c)
			if _, err := p.Judge(s.sign(t, header, c), s.set, row.ask, now); reason(err) != row.want || (err == nil) != (row.want == "") {
				t.Fatalf("got %v, want %q", err, row.want)
			}
		})
	}
	if _, err := p.Judge(other.sign(t, header, idClaims(a)), s.set, a, now); !errors.Is(err, jose.ErrNoKey) {
		t.Errorf("OpenID Connect Core §3.1.3.7 (6): a key of somebody else: got %v", err)
	}
	for name, head := range map[string]string{
		"RFC 8725 §3.1: alg none":                                    `{"alg":"none"}`,
		"RFC 8725 §3.1: an algorithm that the operator did not name": `{"alg":"PS256","kid":"k"}`,
		"RFC 8725 §3.11: an access token":                            `{"alg":"ES256","typ":"at+jwt","kid":"k"}`,
		"RFC 8725 §3.11: a logout token":                             `{"alg":"ES256","typ":"logout+jwt","kid":"k"}`,
	} {
		if _, err := p.Judge(s.sign(t, head, idClaims(a)), s.set, a, now); reason(err) != upstream.Untrue {
			t.Errorf("%s: got %v", name, err)
		}
	}
	blind := *p
	blind.NumberClaim = ""
	if got, err := blind.Judge(s.sign(t, header, idClaims(a)), s.set, a, now); err != nil || got.Number != "" {
		t.Errorf("a provider that vouches for no number: got %+v, %v", got, err)
	}
	c := idClaims(a)
	c["auth_time"] = a.Begun.Unix()
	if got, err := p.Judge(s.sign(t, header, c), s.set, a, now); err != nil || !got.AuthTime.Equal(now) {
		t.Errorf("a sign-in for this request is of now, by whatever clock: got %v, %v", got.AuthTime, err)
	}
}

func TestEnded(t *testing.T) {
	p, s := provider(t), newSigner(t)
	good := map[string]any{
		"iss": "https://vneid.example", "sub": "person-1", "sid": "session-1", "aud": "hopnhat", "exp": now.Unix() + 120, "iat": now.Unix(), "jti": "j",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	for _, row := range []struct {
		name, header string
		change       func(map[string]any)
		good         bool
	}{
		{"a good token", `{"alg":"ES256","typ":"logout+jwt","kid":"k"}`, func(map[string]any) {}, true},
		{"of a provider that names no type", header, func(map[string]any) {}, true},
		{"of a session alone", header, func(c map[string]any) { delete(c, "sub") }, true},
		{"of a person alone", header, func(c map[string]any) { delete(c, "sid") }, true},
		{"Back-Channel Logout §2.6 (5): of nobody", header, func(c map[string]any) { delete(c, "sub"); delete(c, "sid") }, false},
		{"Back-Channel Logout §2.6 (6): no events", header, func(c map[string]any) { delete(c, "events") }, false},
		{"Back-Channel Logout §2.6 (6): another event", header, func(c map[string]any) { c["events"] = map[string]any{"x": map[string]any{}} }, false},
		{"Back-Channel Logout §2.6 (7): an ID token in its place", header, func(c map[string]any) { c["nonce"] = "n" }, false},
		{"Back-Channel Logout §2.4: no jti", header, func(c map[string]any) { delete(c, "jti") }, false},
		{"Back-Channel Logout §2.6 (3): of another provider", header, func(c map[string]any) { c["iss"] = "https://evil.example" }, false},
		{"Back-Channel Logout §2.6 (3): to another client", header, func(c map[string]any) { c["aud"] = "other" }, false},
		{"Back-Channel Logout §2.6 (3): expired", header, func(c map[string]any) { c["exp"] = now.Unix() - 90 }, false},
		{"RFC 8725 §3.11: an access token", `{"alg":"ES256","typ":"at+jwt","kid":"k"}`, func(map[string]any) {}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := maps.Clone(good)
			row.change(c)
			if _, err := p.Ended(s.sign(t, row.header, c), s.set, now); (err == nil) != row.good {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// The people of the tests of deciding.
var (
	an   = upstream.Holder{Account: "an", Level: 2}
	binh = upstream.Holder{Account: "binh", Level: 2}
)

func identity(subject string, number authz.PersonalNumber, level authz.AuthenticationLevel) upstream.Identity {
	return upstream.Identity{Issuer: "https://vneid.example", Subject: subject, Number: number, Level: level, AuthTime: now}
}

func bond(account authz.Subject, subject string, level authz.AuthenticationLevel) *upstream.Bond {
	return &upstream.Bond{ID: "b", Account: account, Alias: "vneid", Issuer: "https://vneid.example", Subject: subject, Level: level}
}

func TestSignIn(t *testing.T) {
	p := provider(t)
	linkOnly, lax := *p, *p
	linkOnly.LinkOnly, lax.LeastLevel = true, 1
	locked, unproofed := an, an
	locked.Locked, unproofed.Level = true, 1
	for _, row := range []struct {
		name  string
		p     *upstream.Provider
		facts upstream.Facts
		want  upstream.Reason // empty: she signs in
		level authz.AuthenticationLevel
		links bool
	}{
		{"a person who is linked", p, upstream.Facts{Identity: identity("1", "", 2), Bond: bond("an", "1", 2), Owner: &an}, "", 2, false},
		{"a person whose verified number has an account", p, upstream.Facts{Identity: identity("1", "099201000001", 2), Named: &an}, "", 2, true},
		{"the lower of the two levels: of the link", &lax, upstream.Facts{Identity: identity("1", "", 2), Bond: bond("an", "1", 1), Owner: &an}, "", 1, false},
		{"the lower of the two levels: of the sign-in", &lax, upstream.Facts{Identity: identity("1", "", 1), Bond: bond("an", "1", 2), Owner: &an}, "", 1, false},
		{"a sign-in below the level that is needed", p, upstream.Facts{Identity: identity("1", "", 1), Bond: bond("an", "1", 2), Owner: &an}, upstream.Low, 0, false},
		{"a link below the level that is needed", p, upstream.Facts{Identity: identity("1", "", 2), Bond: bond("an", "1", 1), Owner: &an}, upstream.Low, 0, false},
		{"a link by the number below its level", &lax, upstream.Facts{Identity: identity("1", "099201000001", 1), Named: &an}, upstream.Low, 0, false},
		{"CVE-2026-16442: a provider for linking alone signs nobody in", &linkOnly, upstream.Facts{Identity: identity("1", "", 2), Bond: bond("an", "1", 2), Owner: &an}, upstream.Unlinked, 0, false},
		{"CVE-2026-16442: nor does it by the number", &linkOnly, upstream.Facts{Identity: identity("1", "099201000001", 2), Named: &an}, upstream.Unlinked, 0, false},
		{"nobody is known", p, upstream.Facts{Identity: identity("1", "", 2)}, upstream.Unlinked, 0, false},
		{"a number that has no account", p, upstream.Facts{Identity: identity("1", "099201000001", 2)}, upstream.Unlinked, 0, false},
		{"issue 53041: an account whose number was not verified", p, upstream.Facts{Identity: identity("1", "099201000001", 2), Named: &unproofed}, upstream.Unlinked, 0, false},
		{"CVE-2026-9087: the link is of another person at the provider", p, upstream.Facts{Identity: identity("2", "", 2), Bond: bond("an", "1", 2), Owner: &an}, upstream.Mixed, 0, false},
		{"CVE-2026-82968: the link is of another account", p, upstream.Facts{Identity: identity("1", "", 2), Bond: bond("an", "1", 2), Owner: &binh}, upstream.Mixed, 0, false},
		{"OpenID Connect Core §5.7: the same subject of another issuer is somebody else", p, upstream.Facts{Identity: upstream.Identity{Issuer: "https://evil.example", Subject: "1", Level: 2}, Bond: bond("an", "1", 2), Owner: &an}, upstream.Mixed, 0, false},
		{"a pair that is linked is never replaced by the number", p, upstream.Facts{Identity: identity("2", "099201000001", 2), Named: &an, NamedBond: bond("an", "1", 2)}, upstream.Elsewhere, 0, false},
		{"a link that she removed is not made anew by the number", p, upstream.Facts{Identity: identity("1", "099201000001", 2), Named: &an, NamedRemoved: true}, upstream.Unlinked, 0, false},
		{"what she removed once says nothing of the link that she has", p, upstream.Facts{Identity: identity("1", "099201000001", 2), Bond: bond("an", "1", 2), Owner: &an, Named: &an, NamedBond: bond("an", "1", 2), NamedRemoved: true}, "", 2, false},
		{"a link whose provider names the number of another account", p, upstream.Facts{Identity: identity("1", "099201000002", 2), Bond: bond("an", "1", 2), Owner: &an, Named: &binh}, upstream.Another, 0, false},
		{"a link whose provider names a number of nobody", p, upstream.Facts{Identity: identity("1", "099201000009", 2), Bond: bond("an", "1", 2), Owner: &an}, upstream.Another, 0, false},
		{"a locked account that is linked", p, upstream.Facts{Identity: identity("1", "", 2), Bond: bond("an", "1", 2), Owner: &locked}, upstream.Closed, 0, false},
		{"a locked account that is named", p, upstream.Facts{Identity: identity("1", "099201000001", 2), Named: &locked}, upstream.Closed, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := row.p.SignIn(row.facts)
			if reason(err) != row.want || (err == nil) != (row.want == "") {
				t.Fatalf("got %+v, %v, want %q", got, err, row.want)
			}
			if err == nil && (got.Account != "an" || got.Level != row.level || (got.New != nil) != row.links) {
				t.Fatalf("got %+v", got)
			}
		})
	}
}

func TestLink(t *testing.T) {
	p := provider(t)
	locked := an
	locked.Locked = true
	for _, row := range []struct {
		name  string
		facts upstream.Facts
		here  authz.AuthenticationLevel
		want  upstream.Reason
	}{
		{"a person whom the provider names by no number", upstream.Facts{Identity: identity("1", "", 2), Self: &an}, 2, ""},
		{"a person whom the provider names by her number", upstream.Facts{Identity: identity("1", "099201000001", 2), Self: &an, Named: &an}, 2, ""},
		{"somebody else's number", upstream.Facts{Identity: identity("1", "099201000002", 2), Self: &an, Named: &binh}, 2, upstream.Another},
		{"a number of nobody", upstream.Facts{Identity: identity("1", "099201000002", 2), Self: &an}, 2, upstream.Another},
		{"signed in here below level 2", upstream.Facts{Identity: identity("1", "", 2), Self: &an}, 1, upstream.Low},
		{"signed in there below the level that is needed", upstream.Facts{Identity: identity("1", "", 1), Self: &an}, 2, upstream.Low},
		{"the person there is linked with another account", upstream.Facts{Identity: identity("1", "", 2), Self: &an, Bond: bond("binh", "1", 2), Owner: &binh}, 2, upstream.Elsewhere},
		{"the account is linked with another person there", upstream.Facts{Identity: identity("2", "", 2), Self: &an, SelfBond: bond("an", "1", 2)}, 2, upstream.Elsewhere},
		{"a locked account", upstream.Facts{Identity: identity("1", "", 2), Self: &locked}, 2, upstream.Closed},
		{"the person of another issuer", upstream.Facts{Identity: upstream.Identity{Issuer: "https://evil.example", Subject: "1", Level: 2}, Self: &an}, 2, upstream.Mixed},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := p.Link(row.facts, row.here)
			if reason(err) != row.want || (err == nil) != (row.want == "") {
				t.Fatalf("got %+v, %v, want %q", got, err, row.want)
			}
			if err == nil && (got.Account != "an" || got.Subject != "1" || got.Issuer != p.Issuer || got.Alias != "vneid") {
				t.Fatalf("got %+v", got)
			}
		})
	}
}

// TestLevelNeverRises: whatever comes, a session has no higher level than the sign-in there
// and than the link, and never one below what the provider needs.
func TestLevelNeverRises(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := *provider(t)
		p.LeastLevel = authz.AuthenticationLevel(rapid.IntRange(1, 4).Draw(r, "least"))
		p.LinkLevel = authz.AuthenticationLevel(rapid.IntRange(2, 4).Draw(r, "link"))
		f := upstream.Facts{Identity: identity("1", "", authz.AuthenticationLevel(rapid.IntRange(1, 4).Draw(r, "there")))}
		bound := authz.AuthenticationLevel(4)
		if rapid.Bool().Draw(r, "linked") {
			bound = authz.AuthenticationLevel(rapid.IntRange(1, 4).Draw(r, "bond"))
			f.Bond, f.Owner = bond("an", "1", bound), &an
		} else {
			f.Identity.Number, f.Named = "099201000001", &an
		}
		o, err := p.SignIn(f)
		raised := o.Level > f.Identity.Level || o.Level > bound || o.New != nil && o.New.Level > o.Level
		if err == nil && (raised || o.Level < p.LeastLevel) {
			r.Fatalf("got %+v", o)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(file))
	f.Add([]byte(`{"providers":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := upstream.Parse(raw, false)
		if err != nil {
			return
		}
		for _, p := range list {
			named := strings.HasPrefix(p.Issuer, "https://") && p.ClientID != ""
			if !named || p.LinkLevel < 2 || p.LeastLevel < 1 || len(p.ACRValues(p.LeastLevel)) == 0 {
				t.Fatalf("took %+v", p)
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(metadata))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := provider(t).Metadata(raw, false)
		if err == nil && (!strings.HasPrefix(m.TokenEndpoint, "https://") || !strings.HasPrefix(m.AuthorizationEndpoint, "https://")) {
			t.Fatalf("took %+v", m)
		}
	})
}

// TestParty: the metadata of this server name the providers at which it registers automatically,
// and nobody else's.
func TestParty(t *testing.T) {
	entry := func(alias, more string) string {
		return `{"alias": "` + alias + `", "name": {"vi": "A", "en": "A"}, "issuer": "https://` + alias + `.example", "levels": {"2": 2}, ` + more + `}`
	}
	const automatic = `"registration": "automatic"`
	callback := func(a upstream.Alias) string { return "https://id.example/" + string(a) }
	backchannel := func(a upstream.Alias) string { return "https://id.example/out/" + string(a) }
	for _, row := range []struct {
		name, providers string
		want            []string
		out, alg        string
	}{
		{"none", entry("a", `"client_id": "us"`), nil, "", ""},
		{"one", entry("a", `"client_id": "us"`) + "," + entry("b", automatic), []string{"https://id.example/b"}, "https://id.example/out/b", "ES256"},
		{"one that signs by another algorithm", entry("b", automatic+`, "algorithms": ["PS256"]`), []string{"https://id.example/b"}, "https://id.example/out/b", "PS256"},
		{"two, of which no address is both's", entry("b", automatic+`, "algorithms": ["PS256"]`) + "," + entry("c", automatic), []string{"https://id.example/b", "https://id.example/c"}, "", "ES256"},
	} {
		t.Run(row.name, func(t *testing.T) {
			list, err := upstream.Parse([]byte(`{"providers": [`+row.providers+`]}`), false)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := upstream.Party(list, "Trung tâm", callback, backchannel, "https://id.example/", json.RawMessage(`{"keys": []}`))
			if err != nil || (raw == nil) != (row.want == nil) {
				t.Fatalf("got %s, %v", raw, err)
			}
			if raw == nil {
				return
			}
			var got struct {
				Redirects []string `json:"redirect_uris"`
				Out       string   `json:"backchannel_logout_uri"`
				Alg       string   `json:"id_token_signed_response_alg"`
				Types     []string `json:"client_registration_types"`
				Method    string   `json:"token_endpoint_auth_method"`
			}
			if err := json.Unmarshal(raw, &got); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Redirects, row.want) || got.Out != row.out || got.Alg != row.alg || !slices.Equal(got.Types, []string{"automatic"}) ||
				got.Method != "private_key_jwt" {
				t.Errorf("got %s", raw)
			}
		})
	}
}

// TestAs: who registers automatically is its entity identifier (OpenID Federation 1.0 §12.1.1.1).
func TestAs(t *testing.T) {
	parse := func() []*upstream.Provider {
		t.Helper()
		list, err := upstream.Parse([]byte(strings.Replace(file, `"client_id": "hopnhat"`, `"registration": "automatic"`, 1)), false)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	list := parse()
	err := upstream.As("https://id.example", list)
	if err != nil || list[0].ClientID != "https://id.example" || list[0].Trust != upstream.ByFederation {
		t.Errorf("got %+v, %v", list[0], err)
	}
	if err := upstream.As("http://localhost:8440", parse()); err == nil {
		t.Error("a server that is no entity registers by a federation")
	}
	if err := upstream.As("http://localhost:8440", []*upstream.Provider{provider(t)}); err != nil {
		t.Errorf("a server that is no entity, and is agreed with: %v", err)
	}
}
