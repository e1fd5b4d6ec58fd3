package provider_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
	"hopnhat/authz/request"
	"hopnhat/keys"
	"hopnhat/keys/costtest"
	"hopnhat/keys/jose"
)

// stranger is a request that anybody can make, at its limit in size and made to
// cost as much as it can.
type stranger struct {
	name string
	size int
	make func() *http.Request
	to   http.HandlerFunc
}

// numbered is n pieces that differ.
func numbered(n int, format, separator string) string {
	pieces := make([]string, n)
	for i := range pieces {
		pieces[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(pieces, separator)
}

// filled is a JSON object of so many bytes that begins with a prefix. Lists and
// objects are as long as they may be.
func filled(kind string, size int, prefix string) string {
	size -= len(prefix) + 16
	lists := func(piece string) string {
		full := "[" + strings.TrimSuffix(strings.Repeat(piece, 1000), ",") + "],"
		last := "[" + strings.TrimSuffix(strings.Repeat(piece, size%len(full)/len(piece)), ",") + "]"
		return "{" + prefix + `"x":[` + strings.Repeat(full, size/len(full)) + last + "]}"
	}
	switch kind {
	case "members":
		return "{" + prefix + numbered(min(size/11, 1000), `"%05d":1`, ",") + "}"
	case "objects":
		return lists(`{"a":1},`)
	case "numbers":
		return lists(`1e9,`)
	case "escapes":
		return "{" + prefix + `"x":"` + strings.Repeat(`\u00e9`, size/6) + `"}`
	case "texts":
		return lists(`"\"",`)
	}
	panic("no such kind: " + kind)
}

var kinds = []string{"members", "objects", "numbers", "escapes", "texts"}

// heavy is an RSA key of the greatest work in a verification: as long as it may be,
// with the largest exponent. Nobody has its private half.
func heavy(kid string) string {
	return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":%q}`, kid, authztest.Base64URL(bytes.Repeat([]byte{0xff}, 512)), authztest.Base64URL(big.NewInt(1<<31-1).Bytes()))
}

// strangers are the worst requests we know of, by endpoint.
func strangers(t testing.TB) []stranger {
	t.Helper()
	w := authztest.NewApart(t)
	w.App.Profile, w.App.RequestObjectAlg = authz.OIDC, ""
	w.App.JWKS = []byte(`{"keys":[` + strings.TrimSuffix(strings.Repeat(heavy("")+",", 32), ",") + `]}`)
	w.Clients = map[authz.ClientID]*authz.Client{
		"jwt": {ID: "jwt", Profile: authz.OIDC, Authentication: authz.Authentication{Method: authz.PrivateKeyJWT}, Keys: authz.Keys{JWKS: w.App.JWKS}, Tokens: authz.Tokens{Sector: "app"}, Requests: authz.Requests{RedirectURIs: w.App.RedirectURIs, GrantTypes: w.App.GrantTypes, Scopes: w.App.Scopes}},
	}
	// Somebody who has a token, with which proofs are looked at.
	opened := authztest.New(t)
	mine := authztest.NewKey(t)
	code, _, err := opened.Open(t, authztest.Authorization())
	if err != nil {
		t.Fatal(err)
	}
	bound := authztest.TokensOf(
		t, opened.AskToken(
			t, "app", mine, url.Values{
				"grant_type": {"authorization_code"}, "code": {code.Get("code")}, "redirect_uri": {"https://app.example/cb"},
				"code_verifier": {authztest.Verifier},
			},
		),
	)

	var all []stranger
	add := func(name string, to http.HandlerFunc, size int, make func() *http.Request) {
		all = append(all, stranger{name, size, make, to})
	}
	post := func(name string, to http.HandlerFunc, body string, header ...string) {
		add(name, to, len(body), func() *http.Request {
			r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for i := 0; i+1 < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			return r
		})
	}
	authorize := func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusSeeOther) // to the app, with an error or a code: or a page
		_, _ = w.Authorize(r)
	}
	logout := func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusSeeOther)
		_, _ = w.EndSession(r, nil)
	}
	garbage := authztest.Base64URL([]byte(strings.Repeat("s", 64)))
	signed := func(head, claims string) string {
		return authztest.Base64URL([]byte(head)) + "." + authztest.Base64URL([]byte(claims)) + "." + garbage
	}
	endpoints := map[string]http.HandlerFunc{
		"token": w.Token, "par": w.PAR, "introspect": w.Introspect, "revoke": w.Revoke, "device": w.Device, "backchannel": w.Backchannel, "userinfo": w.UserInfo,
		"authorize": authorize, "logout": logout,
	}
	for name, to := range endpoints {
		post(name+": many parameters", to, numbered(request.MaxForm/7, "a%d", "&"))
		post(name+": one parameter many times", to, strings.Repeat("resource=x&", request.MaxForm/11))
		post(name+": ampersands", to, strings.Repeat("&", request.MaxForm))
		post(name+": one long value", to, "client_id="+strings.Repeat("%41", request.MaxForm/3-10))
		post(name+": long values", to, numbered(60, "a%d="+strings.Repeat("%41", 340), "&"))
	}
	for _, kind := range kinds {
		assertion := signed(`{"alg":"RS256"}`, filled(kind, 5900, `"iss":"jwt",`))
		object := signed(`{"alg":"RS256","typ":"oauth-authz-req+jwt"}`, filled(kind, 12000, ""))
		header := signed(filled(kind, 5000, `"alg":"RS256","typ":"oauth-authz-req+jwt",`), `{}`)
		claims := url.Values{"claims": {filled(kind, 8000, "")}}
		nested := url.Values{"claims": {`{"userinfo":` + filled(kind, 7900, "") + `}`}}
		credentials := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}}
		for _, name := range []string{"token", "par"} {
			post(name+": an assertion of many "+kind+", and 32 keys that may have made it", endpoints[name], credentials.Encode())
		}
		for name, change := range map[string]url.Values{
			"a request object of many " + kind:              {"request": {object}},
			"a request object whose header is many " + kind: {"request": {header}},
			"claims of many " + kind:                        claims,
			"claims of userinfo of many " + kind:            nested,
		} {
			f := authztest.Authorization()
			for k, v := range change {
				f[k] = v
			}
			post("authorize: "+name, authorize, f.Encode())
			f.Set("client_id", "jwt")
			post("authorize: "+name+", and 32 keys that may have made it", authorize, f.Encode())
		}
		post(
			"logout: a hint of many "+kind, logout,
			url.Values{"id_token_hint": {signed(`{"alg":"ES256"}`, filled(kind, 5900, ""))}}.Encode(),
		)
		post(
			"userinfo: a token of many "+kind, w.UserInfo, "", "Authorization",
			"Bearer "+signed(`{"alg":"ES256","typ":"at+jwt"}`, filled(kind, 12000, "")),
		)
		proof := signed(filled(kind, 1400, `"alg":"PS256","typ":"dpop+jwt","jwk":`+heavy("")+`,`), filled(kind, 500, ""))
		add("userinfo: a proof of many "+kind+" by a heavy key", opened.UserInfo, len(proof)+len(bound.Access), func() *http.Request {
			r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
			r.Header.Set("Authorization", "DPoP "+bound.Access)
			r.Header.Set("DPoP", proof)
			return r
		})
	}
	post(
		"token: long credentials", w.Token, "grant_type=client_credentials", "Authorization",
		"Basic "+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("%41", 500)+":"+strings.Repeat("%41", 11000))),
	)
	post("authorize: many scopes", authorize, authztest.Authorization("scope", "openid "+strings.Repeat("a ", 2000)).Encode())
	post("authorize: a long state", authorize, authztest.Authorization("state", strings.Repeat("\"", 4000)).Encode())
	post(
		"authorize: many locales", authorize, authztest.Authorization(
			"ui_locales", strings.Repeat("a ", 2000), "acr_values", strings.Repeat("a ", 2000), "claims_locales",
			strings.Repeat("a ", 2000),
		).Encode(),
	)
	dots := strings.Repeat(".", 16<<10)
	post("authorize: dots", authorize, authztest.Authorization("request", dots).Encode())
	post("logout: dots", logout, url.Values{"id_token_hint": {dots[:8<<10]}}.Encode())
	post("userinfo: dots", w.UserInfo, "", "Authorization", "Bearer "+dots)
	published, err := authztest.Ring().Published(keys.RequestDecryption)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jose.MarshalSet(published)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseSet(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		sealed, err := jose.Encrypt(signed(`{"alg":"RS256"}`, filled(kind, 8000, "")), set, string(keys.RSAOAEP256), "A256GCM")
		if err != nil {
			t.Fatal(err)
		}
		post("authorize: an encrypted request object of many "+kind, authorize, authztest.Authorization("request", sealed).Encode())
	}
	return all
}

// run makes the request once; nobody is let in.
func (s stranger) run(t testing.TB) {
	out := httptest.NewRecorder()
	s.to(out, s.make())
	if out.Code < 300 || out.Code >= 500 {
		t.Fatalf("%s: %d %s", s.name, out.Code, out.Body)
	}
}

// TestStrangersCostLittle: before it is known who asks, no request costs more than
// 1 MiB beyond its size.
func TestStrangersCostLittle(t *testing.T) {
	for _, s := range strangers(t) {
		t.Run(s.name, func(t *testing.T) {
			costtest.Bounded(t, s.size, func() { s.run(t) })
		})
	}
}

// BenchmarkStrangers is what they cost in time: docs/performance.md.
func BenchmarkStrangers(b *testing.B) {
	for _, s := range strangers(b) {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.run(b)
			}
		})
	}
}
