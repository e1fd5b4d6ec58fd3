package registration

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	apps "hopnhat/authz/registration"
	"hopnhat/federation"
	"hopnhat/federation/mark"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

// Way is how an app is registered: a value of client_registration_types (OpenID Federation
// 1.0 §5.1.2).
type Way string

// Automatic registration comes with the first request of an app (§12.1), explicit registration
// is asked for (§12.2).
const (
	Automatic Way = "automatic"
	Explicit  Way = "explicit"
)

// methods are those by which an app authenticates that was registered automatically: both
// prove a key that its metadata state (§12.1.1.2).
var methods = []authz.AuthMethod{authz.PrivateKeyJWT, authz.SelfSignedTLSClientAuth}

// Registration is what a chain makes of an app.
type Registration struct {
	// Client has its membership; it lacks the times of its making and change.
	Client *authz.Client
	// Issued is when the app signed the metadata, and Vouched when its superior signed the
	// statement about it.
	Issued, Vouched time.Time
	// Digest names the chain, see [Digest].
	Digest [sha256.Size]byte
	// Marks are the types of the trust marks that counted.
	Marks []string
}

// Issuers knows the verdicts on issuers of trust marks. It asks nobody.
type Issuers func(issuer federation.EntityID) (trust.Verdict, bool)

// maxLife bounds a registration, however long the statements of its chain are in force: who has
// a stolen key of an anchor signs what never ends.
const maxLife = 7 * 24 * time.Hour

// Digest names a chain by what its statements say, and the rules that it was judged by. The
// signatures are no part of it, since anybody can write a good one in more ways than one.
func Digest(v trust.Verdict, r Rules) [sha256.Size]byte {
	var all strings.Builder
	all.Write(r.Sum[:])
	for _, s := range v.Chain {
		token := s.Token()
		all.WriteString(token[:strings.LastIndexByte(token, '.')+1])
		all.WriteByte('\n') // which no compact JWS holds
	}
	return sha256.Sum256([]byte(all.String()))
}

// Refusal is how a verdict that trusts nobody is told (§8.9, §12.1.3). It never travels to a
// redirect URI: one that nobody vouches for may be anybody's.
func Refusal(v trust.Verdict) *authz.Error {
	code := authz.InvalidTrustChain
	switch {
	case errors.Is(v.Err, trust.ErrAnchor):
		code = authz.InvalidTrustAnchor
	case errors.Is(v.Err, trust.ErrMetadata):
		code = authz.InvalidMetadata
	}
	_, advice := v.Advice()
	section, why := "10.2", "no superior states it any more"
	if n := len(v.Trail); n > 0 {
		section, why = v.Trail[n-1].Section, "what has to be, and is not: "+v.Trail[n-1].Want
	}
	return refuse(code, section, "the app is not trusted: %s. %s", why, advice).Because(errors.Join(v.Err, clientauth.ErrUnknownClient))
}

func refuse(code authz.Code, section, format string, args ...any) *authz.Error {
	return authz.NewError(code, format, args...).At("client_id").Under("OpenID Federation 1.0 §" + section).
		Because(clientauth.ErrUnknownClient)
}

// Decide makes a client of a valid chain, by the rules of a provider and at a time. Errors
// are *authz.Error with a code of §8.9 and the section that was broken; they wrap
// clientauth.ErrUnknownClient.
func Decide(v trust.Verdict, way Way, issuers Issuers, rules Rules, now time.Time) (Registration, error) {
	switch {
	case !v.Valid():
		return Registration{}, Refusal(v)
	case !now.Before(v.Expiry):
		return Registration{}, refuse(authz.InvalidTrustChain, "10.4", "the chain of the app has expired; it has to send a new one")
	case !rules.Accepts(string(v.Anchor)):
		return Registration{}, refuse(authz.InvalidTrustAnchor, "12.1", "the chain ends at %s, under which no app is let in here", v.Anchor)
	case len(v.Chain) < 2:
		return Registration{}, refuse(authz.InvalidTrustChain, "12.1", "a trust anchor is no app of its own federation")
	}
	parameters, ok := v.Metadata[federation.RelyingParty]
	if !ok {
		return Registration{}, refuse(authz.InvalidMetadata, "5.1.2", "the metadata have no %s", federation.RelyingParty)
	}
	if err := registers(parameters, way); err != nil {
		return Registration{}, err
	}
	held, until, err := rules.held(v, issuers, now)
	if err != nil {
		return Registration{}, err
	}
	name, by := ownerOf(v)
	c, err := rules.client(v, parameters, rules.policy(held, name))
	if err != nil {
		return Registration{}, err
	}
	if by != "" {
		c.Verified = authz.Verification{By: "federation:" + string(by), At: now}
	}
	digest := Digest(v, rules)
	c.Membership = authz.Membership{
		Anchor: string(v.Anchor), Superior: string(v.Chain[1].Issuer), Expires: until,
		Chain: base64.RawURLEncoding.EncodeToString(digest[:]),
	}
	return Registration{Client: c, Issued: v.Chain[0].IssuedAt, Vouched: v.Chain[1].IssuedAt, Digest: digest, Marks: held}, nil
}

// registers checks that the app says it registers in this way.
func registers(p federation.Parameters, way Way) error {
	types, ok := texts(p["client_registration_types"])
	if !ok {
		return refuse(authz.InvalidMetadata, "5.1.2", "client_registration_types is missing, or no list of texts")
	}
	if !slices.Contains(types, string(way)) {
		return refuse(authz.InvalidMetadata, "12", "client_registration_types of the app does not hold %q", way)
	}
	return nil
}

// texts reads a list of texts.
func texts(value any) ([]string, bool) {
	list, ok := value.([]any)
	if !ok {
		return nil, false
	}
	out := make([]string, 0, len(list))
	for _, one := range list {
		text, ok := one.(string)
		if !ok {
			return nil, false
		}
		out = append(out, text)
	}
	return out, true
}

// held are the types of the trust marks of an app that count, of those that rules speak of
// (§7.3). Others are passed over, and those without an end: nobody is asked whether they were
// revoked since (§8.4). until is the first end of the chain, of what counted, and of [maxLife].
func (r Rules) held(v trust.Verdict, issuers Issuers, now time.Time) (types []string, until time.Time, err error) {
	earlier := func(t time.Time) {
		if t.Before(until) {
			until = t
		}
	}
	until = v.Expiry
	earlier(now.Add(maxLife))
	for _, rule := range r.Marks {
		why := "it has none"
		for _, m := range v.Chain[0].Marks {
			if m.Type != rule.Type || slices.Contains(types, m.Type) {
				continue
			}
			said := mark.Validate(m.JWT, mark.Question{
				Holder: v.Subject, Beside: m.Type, Issuer: issuerOf(m.JWT, v, issuers, now), Now: now,
			})
			switch {
			case !said.Valid():
				why = said.Err.Error()
			case said.Mark.Expiry.IsZero():
				why = "the mark has no end"
			default:
				types = append(types, m.Type)
				earlier(said.Mark.Expiry)
			}
		}
		if rule.Required && !slices.Contains(types, rule.Type) {
			return nil, until, refuse(authz.InvalidMetadata, "7", "this provider asks for a trust mark of type %q: %s", rule.Type, why)
		}
	}
	return types, until, nil
}

// issuerOf is the verdict on the issuer of a mark, under the anchor of the app's chain. An
// anchor that issues a mark itself is proved by its configuration, where that ends the chain.
func issuerOf(token string, v trust.Verdict, issuers Issuers, now time.Time) trust.Verdict {
	unknown := trust.Verdict{Err: trust.ErrChain}
	m, err := mark.Parse(token)
	if err != nil {
		return unknown
	}
	last := v.Chain[len(v.Chain)-1]
	if m.Issuer == v.Anchor && last.IsConfiguration() {
		// It was verified with the keys that are configured here, as a part of v.
		return trust.Verdict{Subject: v.Anchor, Anchor: v.Anchor, Chain: v.Chain[len(v.Chain)-1:], Expiry: last.Expiry}
	}
	if issuers == nil {
		return unknown
	}
	if found, ok := issuers(m.Issuer); ok && found.Anchor == v.Anchor && now.Before(found.Expiry) {
		return found
	}
	return unknown
}

// ownerOf is the agency that runs the app, and the entity that says so. Only the words of
// superiors count, each for itself: what the app says beside them, in another language too, is
// nobody's (§5.2.2, §6.1.4.2). A policy goes before a statement about the app, and that before
// one about its superior, to which the app belongs then. Where nobody says any, by is empty, and
// the host stands for the agency.
func ownerOf(v trust.Verdict) (name authz.LocalizedText, by federation.EntityID) {
	above := slices.DeleteFunc(slices.Clone(v.Chain[1:]), statement.Statement.IsConfiguration)
	kinds := []federation.EntityType{federation.RelyingParty, federation.FederationEntity}
	for _, s := range slices.Backward(above) {
		for _, kind := range kinds {
			set := federation.Parameters{}
			for parameter, operators := range s.Policy[kind] {
				set[parameter] = operators["value"]
			}
			if name := organization(set); name.VI != "" {
				return name, s.Issuer
			}
		}
	}
	for i, s := range above[:min(2, len(above))] {
		for _, kind := range kinds[i:] { // of a superior, what it is in the federation
			if name := organization(s.Metadata[kind]); name.VI != "" {
				return name, s.Issuer
			}
		}
	}
	return authz.LocalizedText{VI: v.Subject.Host()}, ""
}

// untagged takes out what the app says of a name in one language where a superior says the name:
// people would read the app's word for the superior's.
func untagged(v trust.Verdict, p federation.Parameters, name string) {
	for _, s := range v.Chain[1:] {
		_, set := s.Policy[federation.RelyingParty][name]["value"]
		_, supplied := s.Metadata[federation.RelyingParty][name]
		if set || supplied && s.Subject == v.Subject {
			delete(p, name+"#vi")
			delete(p, name+"#en")
		}
	}
}

// organization is organization_name in the two languages that people here read (OpenID
// Connect Core §5.2); the one without a language is Vietnamese.
func organization(p federation.Parameters) authz.LocalizedText {
	text := func(name string) string { s, _ := p[name].(string); return s }
	name := authz.LocalizedText{VI: text("organization_name#vi"), EN: text("organization_name#en")}
	if name.VI == "" {
		name.VI = text("organization_name")
	}
	if name.VI == "" {
		name.VI = name.EN
	}
	return name
}

// client makes the client, by the same checks as one that registers with an initial access
// token.
func (r Rules) client(v trust.Verdict, p federation.Parameters, policy apps.Policy) (*authz.Client, error) {
	p = maps.Clone(p)
	untagged(v, p, "client_name")
	raw, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("writing the metadata of %s: %w", v.Subject, err)
	}
	m, err := apps.Parse(raw)
	if err != nil {
		return nil, invalidMetadata(err)
	}
	signed, err := signedURI(p)
	if err != nil {
		return nil, err
	}
	switch {
	case m.ClientID != "" && m.ClientID != string(v.Subject):
		return nil, refuse(authz.InvalidMetadata, "12.1", "client_id is the entity identifier %s, or is left out", v.Subject)
	case len(m.JWKS) > 0:
		m.JWKSURI, signed = "", "" // §5.2.1: what stands in the chain is what was verified
	case signed != "":
		m.JWKSURI = signed // and not what nobody signed
	}
	if m.SectorIdentifierURI != "" {
		// Anybody's request may be what registers a known app, and none sends us anywhere.
		return nil, refuse(authz.InvalidMetadata, "12.1", "sector_identifier_uri is not read of apps of a federation: redirect URIs are of one host")
	}
	m.ClientID, m.Statement = string(v.Subject), ""
	if m.AuthMethod == "" {
		m.AuthMethod = string(choose(p, policy.Profile))
	}
	if !slices.Contains(methods, authz.AuthMethod(m.AuthMethod)) {
		return nil, refuse(authz.InvalidMetadata, "12.1.1.2", "token_endpoint_auth_method is one of %v", methods)
	}
	if m, err = policy.Fill(m); err != nil {
		return nil, invalidMetadata(err)
	}
	c, err := m.Client(r.Checks)
	if err == nil {
		err = policy.Permits(c)
	}
	if err == nil {
		err = apps.CheckSectorKeys(c)
	}
	if err != nil {
		return nil, invalidMetadata(err)
	}
	if signed != "" {
		// A federation key of the app signs, as its superior states them.
		if c.JWKSSignedBy, err = v.Chain[1].Keys.Marshal(); err != nil {
			return nil, fmt.Errorf("writing the federation keys of %s: %w", v.Subject, err)
		}
	}
	return c, nil
}

// signedURI is signed_jwks_uri (§5.2.1); empty if there is none.
func signedURI(p federation.Parameters) (string, error) {
	if p["signed_jwks_uri"] == nil {
		return "", nil
	}
	text, _ := p["signed_jwks_uri"].(string)
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || len(text) > federation.MaxEntityID {
		return "", refuse(authz.InvalidMetadata, "5.2.1", "signed_jwks_uri is not an https URL")
	}
	return text, nil
}

// choose is the first method of token_endpoint_auth_methods_supported that both have, or
// private_key_jwt (§12.1.4).
func choose(p federation.Parameters, profile authz.ProfileName) authz.AuthMethod {
	supported, _ := texts(p["token_endpoint_auth_methods_supported"])
	for _, one := range supported {
		method := authz.AuthMethod(one)
		if slices.Contains(methods, method) && slices.Contains(authz.Profiles[profile].AuthMethods, method) {
			return method
		}
	}
	return authz.PrivateKeyJWT
}

// invalidMetadata is a refusal of the checks of every app, by the code of §8.9.
func invalidMetadata(err error) error {
	said := (*authz.Error)(nil)
	if !errors.As(err, &said) {
		return err
	}
	return refuse(authz.InvalidMetadata, "12.1", "%s", said.Description)
}
