// Package vneid is a simulator of VNeID, the national app of Viet Nam: an OpenID Provider of its
// own, with its own issuer and keys, by which a server is tried without the real one. It has
// nothing to do with VNeID, and each of its pages says that it is a simulator.
//
// Its persons are invented: their numbers begin with 099. Nobody proves anything to it: who
// opens its page chooses who she is. It can be told to misbehave ([Fault]), so that a relying
// party is tried against what an attacker, or a provider that is at fault, would send.
package vneid

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/outbound"
	"hopnhat/keys"
	"hopnhat/keys/jose"
	"hopnhat/keys/single"
)

// Person is somebody who is invented.
type Person struct {
	// Number is of 12 digits and begins with 099.
	Number string
	Name   string
}

// Client is the one relying party.
type Client struct {
	ID          string
	RedirectURI string
	// JWKSURI is where its keys are.
	JWKSURI string
	// LogoutURI takes logout tokens, and ReturnURI a browser that was signed out; empty for none.
	LogoutURI, ReturnURI string
}

// The levels, as acr has them.
const (
	Level1 = "urn:vneid-simulator:level:1"
	Level2 = "urn:vneid-simulator:level:2"
)

// NumberClaim is the claim with the number.
const NumberClaim = "personal_number"

// Fault is a way in which the simulator misbehaves; empty is none.
type Fault string

// Faults are all ways, each with what it does.
var Faults = []struct {
	Name Fault
	What string
}{
	{"response-iss", "iss of another provider in the response"},
	{"response-no-iss", "no iss in the response"},
	{"token-iss", "iss of another provider in the ID token"},
	{"token-aud", "aud of another client"},
	{"token-audiences", "aud of another client beside"},
	{"token-azp", "azp of another client"},
	{"token-nonce", "another nonce"},
	{"token-no-nonce", "no nonce"},
	{"token-expired", "an ID token that has expired"},
	{"token-replayed", "the ID token of the sign-in before"},
	{"token-unsigned", "alg none"},
	{"token-key", "a key that is not published"},
	{"token-old-sign-in", "a sign-in of two days ago"},
	{"token-no-auth-time", "no auth_time"},
	{"token-acr", "an acr that nobody knows"},
	{"token-number", "a number that is none"},
	{"token-logout", "a logout token in place of the ID token"},
	{"code-refused", "the token endpoint refuses the code"},
	{"endpoint-silent", "the token endpoint answers 503"},
	{"metadata-issuer", "metadata of another issuer"},
	{"metadata-no-pkce", "metadata without PKCE"},
}

// Options is what a simulator is made of; all are needed.
type Options struct {
	Issuer  string
	Client  Client
	Persons []Person
	Now     func() time.Time
}

const (
	codeLife = time.Minute
	maxForm  = 32 << 10 // bytes
	maxKept  = 1000     // codes, sign-ins and assertions
)

// code is an approval that waits to be redeemed.
type code struct {
	person    Person
	acr       string
	nonce     string
	challenge string
	session   string
	at        time.Time
}

// signIn is a person who is signed in.
type signIn struct {
	person  Person
	session string
	at      time.Time
}

// Simulator is the provider. It is safe for concurrent use.
type Simulator struct {
	o           Options
	ring, other *single.Ring
	out         *outbound.Client

	mu      sync.Mutex
	fault   Fault
	codes   map[string]code
	signIns []signIn
	spent   map[string]time.Time // assertions, by jti, until they end
	last    string               // the ID token that was given last
}

// New makes a simulator.
func New(o Options) (*Simulator, error) {
	for _, p := range o.Persons {
		if len(p.Number) != 12 || !strings.HasPrefix(p.Number, "099") || strings.Trim(p.Number, "0123456789") != "" || p.Name == "" {
			return nil, fmt.Errorf("a person of the simulator has a name and a number of 12 digits that begins with 099, and %q has not", p.Name)
		}
	}
	if len(o.Persons) == 0 {
		return nil, errors.New("the simulator has no persons")
	}
	own, err1 := single.New(keys.TokenSigning)
	other, err2 := single.New(keys.TokenSigning)
	return &Simulator{
		o: o, ring: own, other: other, out: outbound.New(true), codes: map[string]code{}, spent: map[string]time.Time{},
	}, errors.Join(err1, err2)
}

// Misbehave makes it misbehave from now on; an empty fault ends that.
func (s *Simulator) Misbehave(f Fault) error {
	known := slices.ContainsFunc(Faults, func(one struct {
		Name Fault
		What string
	},
	) bool {
		return one.Name == f
	})
	if f != "" && !known {
		return fmt.Errorf("there is no fault %q", f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
	return nil
}

func (s *Simulator) is(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault == f
}

// Handler is the provider over HTTP.
func (s *Simulator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /.well-known/openid-configuration", s.metadata)
	mux.HandleFunc("GET /jwks", s.jwks)
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /approve", s.approve)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /logout", s.logoutPage)
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("POST /misbehave", s.misbehave)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may be gone
}

func (s *Simulator) metadata(w http.ResponseWriter, _ *http.Request) {
	issuer, challenges := s.o.Issuer, []string{"S256"}
	switch {
	case s.is("metadata-issuer"):
		issuer = "https://another-simulator.example"
	case s.is("metadata-no-pkce"):
		challenges = nil
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": issuer, "authorization_endpoint": s.o.Issuer + "/authorize", "token_endpoint": s.o.Issuer + "/token", "jwks_uri": s.o.Issuer + "/jwks",
		"end_session_endpoint": s.o.Issuer + "/logout", "response_types_supported": []string{"code"}, "code_challenge_methods_supported": challenges,
		"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}, "token_endpoint_auth_signing_alg_values_supported": []string{"ES256"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		"authorization_response_iss_parameter_supported": true, "backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
		"acr_values_supported": []string{Level1, Level2}, "ui_locales_supported": []string{"vi", "en"},
	})
}

func (s *Simulator) jwks(w http.ResponseWriter, _ *http.Request) {
	set, err := s.ring.Set()
	if err != nil {
		http.Error(w, "no keys", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(set) // the caller may be gone
}

// subject is what the person is called to the client: not her number.
func (s *Simulator) subject(p Person) string {
	sum := sha256.Sum256([]byte(s.o.Issuer + " " + p.Number))
	return hex.EncodeToString(sum[:16])
}

// request checks an authentication request, or writes why it is none.
func (s *Simulator) request(w http.ResponseWriter, q url.Values) bool {
	switch {
	// RFC 6749 §4.1.2.1: nothing is sent to an address that is not registered.
	case q.Get("client_id") != s.o.Client.ID || q.Get("redirect_uri") != s.o.Client.RedirectURI:
		s.say(w, http.StatusBadRequest, q, "problem", "client_id, redirect_uri")
		return false
	case q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 ||
		!slices.Contains(strings.Fields(q.Get("scope")), "openid") || q.Get("nonce") == "" || q.Get("state") == "":
		s.say(w, http.StatusBadRequest, q, "problem", "response_type, code_challenge (S256), scope, nonce, state")
		return false
	}
	return true
}

func (s *Simulator) authorize(w http.ResponseWriter, r *http.Request) {
	if q := r.URL.Query(); s.request(w, q) {
		s.say(w, http.StatusOK, q, "approve", "")
	}
}

// approve answers a request (OpenID Connect Core §3.1.2.5), as the person chose.
func (s *Simulator) approve(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !s.request(w, r.PostForm) {
		return
	}
	f := r.PostForm
	answer := url.Values{"state": {f.Get("state")}, "iss": {s.o.Issuer}}
	if f.Get("decision") == "decline" {
		answer.Set("error", "access_denied")
	} else {
		i := slices.IndexFunc(s.o.Persons, func(p Person) bool { return p.Number == f.Get("person") })
		if i < 0 {
			s.say(w, http.StatusBadRequest, f, "problem", "person")
			return
		}
		acr := Level2
		if f.Get("level") == "1" {
			acr = Level1
		}
		answer.Set("code", s.issue(s.o.Persons[i], acr, f))
	}
	switch {
	case s.is("response-iss"):
		answer.Set("iss", "https://another-simulator.example")
	case s.is("response-no-iss"):
		answer.Del("iss")
	}
	http.Redirect(w, r, s.o.Client.RedirectURI+"?"+answer.Encode(), http.StatusSeeOther)
}

func (s *Simulator) issue(p Person, acr string, f url.Values) string {
	secret, now := authz.NewSecret(), s.o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range s.codes {
		if now.Sub(c.at) > codeLife || len(s.codes) >= maxKept {
			delete(s.codes, name)
		}
	}
	session := authz.NewID()
	s.codes[secret] = code{p, acr, f.Get("nonce"), f.Get("code_challenge"), session, now}
	s.signIns = append(s.signIns, signIn{p, session, now})
	if len(s.signIns) > maxKept {
		s.signIns = s.signIns[1:]
	}
	return secret
}

// token redeems a code, once (RFC 6749 §4.1.3, RFC 7636 §4.6).
func (s *Simulator) token(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, name string) { writeJSON(w, status, map[string]string{"error": name}) }
	if s.is("endpoint-silent") {
		fail(http.StatusServiceUnavailable, "temporarily_unavailable")
		return
	}
	if err := r.ParseForm(); err != nil {
		fail(http.StatusBadRequest, "invalid_request")
		return
	}
	f := r.PostForm
	if err := s.authenticate(r.Context(), f); err != nil {
		writeJSON(w, http.StatusUnauthorized, authz.NewError(authz.InvalidClient, "%v", err).Body())
		return
	}
	s.mu.Lock()
	c, ok := s.codes[f.Get("code")]
	delete(s.codes, f.Get("code"))
	s.mu.Unlock()
	verifier := sha256.Sum256([]byte(f.Get("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(verifier[:])
	switch {
	case !ok, s.o.Now().Sub(c.at) > codeLife, f.Get("redirect_uri") != s.o.Client.RedirectURI, f.Get("grant_type") != "authorization_code",
		subtle.ConstantTimeCompare([]byte(challenge), []byte(c.challenge)) != 1, s.is("code-refused"):
		fail(http.StatusBadRequest, "invalid_grant")
		return
	}
	id, err := s.idToken(r.Context(), c)
	if err != nil {
		fail(http.StatusInternalServerError, "server_error")
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"access_token": authz.NewSecret(), "token_type": "Bearer", "expires_in": 60, "id_token": id})
}

// authenticate checks private_key_jwt (RFC 7523 §3), with the keys that the client publishes.
func (s *Simulator) authenticate(ctx context.Context, f url.Values) error {
	raw, err := s.out.Fetch(ctx, s.o.Client.JWKSURI, 64<<10)
	if err != nil {
		return fmt.Errorf("fetching the keys of the client: %w", err)
	}
	set, err := jose.ParseSet(raw)
	if err != nil {
		return err
	}
	v, err := jose.Verify(f.Get("client_assertion"), set, jose.Rule{
		Type: "client-authentication+jwt", Lenient: true, Algorithms: []keys.Algorithm{keys.ES256},
	})
	if err != nil {
		return err
	}
	var c struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		ID       string `json:"jti"`
		Expires  int64  `json:"exp"`
	}
	if err := json.Unmarshal(v.Claims, &c); err != nil {
		return err
	}
	now, expires := s.o.Now(), time.Unix(c.Expires, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, until := range s.spent {
		if now.After(until) || len(s.spent) >= maxKept {
			delete(s.spent, id)
		}
	}
	_, used := s.spent[c.ID]
	switch {
	case c.Issuer != s.o.Client.ID || c.Subject != s.o.Client.ID || c.Audience != s.o.Issuer:
		return errors.New("iss, sub or aud is wrong")
	case now.After(expires) || expires.Sub(now) > 5*time.Minute:
		return errors.New("it has expired, or lives too long")
	case c.ID == "" || used:
		return errors.New("it was used before")
	}
	s.spent[c.ID] = expires
	return nil
}

// idToken is the ID token of an approval, as the fault bends it.
func (s *Simulator) idToken(ctx context.Context, c code) (string, error) {
	now := s.o.Now().Unix()
	claims := map[string]any{
		"iss": s.o.Issuer, "sub": s.subject(c.person), "aud": s.o.Client.ID, "exp": now + 300, "iat": now, "nonce": c.nonce,
		"auth_time": c.at.Unix(), "acr": c.acr, "sid": c.session, NumberClaim: c.person.Number,
	}
	s.mu.Lock()
	fault, before := s.fault, s.last
	s.mu.Unlock()
	ring := s.ring
	switch fault {
	case "token-iss":
		claims["iss"] = "https://another-simulator.example"
	case "token-aud":
		claims["aud"] = "another"
	case "token-audiences":
		claims["aud"] = []string{s.o.Client.ID, "another"}
	case "token-azp":
		claims["azp"] = "another"
	case "token-nonce":
		claims["nonce"] = authz.NewSecret()
	case "token-no-nonce":
		delete(claims, "nonce")
	case "token-expired":
		claims["exp"], claims["iat"] = now-300, now-400
	case "token-old-sign-in":
		claims["auth_time"] = now - 2*24*3600
	case "token-no-auth-time":
		delete(claims, "auth_time")
	case "token-acr":
		claims["acr"] = "urn:vneid-simulator:level:9"
	case "token-number":
		claims[NumberClaim] = "12"
	case "token-logout":
		claims["events"] = map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
	case "token-key":
		ring = s.other
	case "token-replayed":
		if before != "" {
			return before, nil
		}
	case "token-unsigned":
		raw, err := json.Marshal(claims)
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(raw) + ".", err
	}
	signed, err := jose.Sign(ctx, ring, jose.Token{Use: keys.TokenSigning, Algorithm: keys.ES256, Type: "JWT", Claims: claims})
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.last = signed[0]
	s.mu.Unlock()
	return signed[0], nil
}

// SignOut ends all sign-ins of a person, and tells the client (OpenID Connect Back-Channel
// Logout 1.0 §2.5). It returns the status of the client's answer, 0 where there was nobody to tell.
func (s *Simulator) SignOut(ctx context.Context, number string) (int, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.signIns, func(one signIn) bool { return one.person.Number == number })
	var p Person
	if i >= 0 {
		p = s.signIns[i].person
	}
	s.signIns = slices.DeleteFunc(s.signIns, func(one signIn) bool { return one.person.Number == number })
	s.mu.Unlock()
	if i < 0 || s.o.Client.LogoutURI == "" {
		return 0, nil
	}
	now := s.o.Now().Unix()
	claims := map[string]any{
		"iss": s.o.Issuer, "sub": s.subject(p), "aud": s.o.Client.ID, "iat": now, "exp": now + 120, "jti": authz.NewID(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	signed, err := jose.Sign(ctx, s.ring, jose.Token{Use: keys.TokenSigning, Algorithm: keys.ES256, Type: "logout+jwt", Claims: claims})
	if err != nil {
		return 0, err
	}
	answer, err := s.out.Post(ctx, outbound.Message{
		URL: s.o.Client.LogoutURI, Type: "application/x-www-form-urlencoded",
		Body: url.Values{"logout_token": {signed[0]}}.Encode(),
	})
	return answer.Status, err
}
