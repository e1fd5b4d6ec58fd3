package authority

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"hopnhat/authz/recent"
	"hopnhat/federation"
	"hopnhat/federation/caller"
	"hopnhat/federation/enrol"
	"hopnhat/federation/fetch"
	"hopnhat/federation/mark"
	"hopnhat/federation/resolver"
	"hopnhat/federation/statement"
	"hopnhat/keys"
	"hopnhat/keys/jose"
	"hopnhat/keys/lifecycle"
)

// Paths of the endpoints, after the name of the entity.
const (
	ConfigurationPath = fetch.WellKnown
	FetchPath         = "/federation/fetch"
	ListPath          = "/federation/list"
	ResolvePath       = "/federation/resolve"
	MarkPath          = "/federation/trust-mark"
	MarkStatusPath    = "/federation/trust-mark-status"
	MarkListPath      = "/federation/trust-mark-list"
	HistoryPath       = "/federation/historical-keys"
	// EventsPath is of OpenID Federation Subordinate Events Endpoint 1.0, ID1.
	EventsPath = "/federation/subordinate-events"
	// BundlePath is no path of the standard: see package bundle.
	BundlePath = "/federation/bundle"
)

// Paths are all of them.
var Paths = []string{ConfigurationPath, FetchPath, ListPath, ResolvePath, MarkPath, MarkStatusPath, MarkListPath, HistoryPath, EventsPath, BundlePath}

// Names are the parameters of the metadata that name the endpoints, by their paths (§5.1.1).
var Names = map[string]string{
	FetchPath: "federation_fetch_endpoint", ListPath: "federation_list_endpoint", ResolvePath: "federation_resolve_endpoint",
	MarkPath: "federation_trust_mark_endpoint", MarkStatusPath: "federation_trust_mark_status_endpoint",
	MarkListPath: "federation_trust_mark_list_endpoint", HistoryPath: "federation_historical_keys_endpoint", EventsPath: "federation_subordinate_events_endpoint",
}

// has reports whether the entity has an endpoint.
func (o Options) has(path string) bool {
	switch path {
	case ConfigurationPath, HistoryPath:
		return true
	case ResolvePath:
		return o.Resolver != nil
	}
	return o.Registry != nil
}

// Life is how long a configuration and a statement are in force. A revocation takes effect
// everywhere when it is over, at the latest.
const Life = 24 * time.Hour

// fresh is how long what is signed is given out: what anybody gets has three quarters of its
// life before it.
const fresh = Life / 4

// freshStatus is the same for the status of a mark, which others do not take when it is older
// than some minutes.
const freshStatus = time.Minute

// freshList is how long the subordinates are not read again for a list, which anybody asks for.
const freshList = 2 * time.Second

// Bounds on what is kept in memory: 3 kB each, and 20 kB of what was resolved.
const (
	maxSigned   = 20_000
	maxResolved = 4_000
)

// Registry is where subordinates and marks are kept.
type Registry interface {
	// Subordinate reads one; authz.ErrNotFound if it was never proposed.
	Subordinate(ctx context.Context, id federation.EntityID) (enrol.Subordinate, error)
	// Subordinates lists those after one, in the order of their names, at most limit.
	Subordinates(ctx context.Context, after federation.EntityID, limit int) ([]enrol.Subordinate, error)
	// Mark reads one; authz.ErrNotFound if it was never granted.
	Mark(ctx context.Context, kind string, subject federation.EntityID) (enrol.Mark, error)
	// Holders lists those with a mark of a type that is active at a time, of any type if it
	// is empty, after one in the order of their names, at most limit.
	Holders(ctx context.Context, kind string, now time.Time, after federation.EntityID, limit int) ([]federation.EntityID, error)
	// CheckSubordinate and CheckMark hold a record against the evidence of its steps. The error
	// wraps approval.ErrUnexplained if it is not as that says: then nothing is signed about it.
	CheckSubordinate(ctx context.Context, s enrol.Subordinate) error
	CheckMark(ctx context.Context, m enrol.Mark) error
}

// Ring signs, and knows the keys of the past.
type Ring interface {
	keys.Ring
	Past(use keys.Use) ([]lifecycle.Past, error)
}

// Resolver knows who is trusted, without a request to anybody.
type Resolver interface {
	// Resolve says what is known of an entity under one of some anchors. The error is
	// resolver.ErrUnknown or wraps one of package trust.
	Resolve(subject federation.EntityID, anchors ...federation.EntityID) (*resolver.Entry, error)
	// Anchors are those that it has the keys of.
	Anchors() []federation.EntityID
}

// Options say who the entity is.
type Options struct {
	// ID is its name, and what the paths are appended to.
	ID           federation.EntityID
	Organization string
	// Superiors are its authority_hints; none for a trust anchor.
	Superiors []federation.EntityID
	// Marks are trust marks that others granted to it.
	Marks []statement.Mark
	// MarkIssuers say who may issue marks of which type; MarkOwners, as the claim has them,
	// who owns a type. They count in a trust anchor's configuration (§3.1.2).
	MarkIssuers map[string][]federation.EntityID
	MarkOwners  json.RawMessage
	// Metadata are those of the other roles that it plays, as openid_provider; nil for none.
	Metadata func() (map[federation.EntityType]json.RawMessage, error)
	// Registry has its subordinates and marks; nil for an entity that has none.
	Registry Registry
	// Resolver is for the resolve endpoint; nil for an entity without one.
	Resolver Resolver
	// Authentication says at which paths who asks proves who it is (§8.8), and Once remembers what
	// is accepted once; nobody proves anything where a path is not in it.
	Authentication map[string]caller.Mode
	Once           caller.Once
	// Callers limits requests by address; nil limits nobody.
	Callers Callers
	Ring    Ring
	Now     func() time.Time
}

// Authority answers the endpoints of an entity. It is safe for concurrent use.
type Authority struct {
	o        Options
	signed   *recent.Map[string, string]
	statuses *recent.Map[string, string]
	resolved *recent.Map[string, string]
	listed   *recent.Map[struct{}, []listed]
	flights  singleflight.Group
	working  *semaphore.Weighted
}

// New makes an Authority.
func New(o Options) *Authority {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Authority{
		o: o, signed: recent.New[string, string](maxSigned, fresh, o.Now),
		statuses: recent.New[string, string](maxSigned, freshStatus, o.Now),
		resolved: recent.New[string, string](maxResolved, fresh, o.Now),
		listed:   recent.New[struct{}, []listed](1, freshList, o.Now),
		working:  semaphore.NewWeighted(AtOnce),
	}
}

// sign gives out what was signed before under a name, or signs it. The name has in it all
// that changes the content but the time; the key that signs is added here, so that a change
// of keys signs anew.
func (a *Authority) sign(ctx context.Context, name, typ string, claims func(now time.Time) (any, error)) (string, error) {
	return a.signWithin(ctx, a.signed, name, typ, claims)
}

// signWithin is sign with what is kept for the life of a map.
func (a *Authority) signWithin(
	ctx context.Context, kept *recent.Map[string, string], name, typ string, claims func(now time.Time) (any, error),
) (string, error) {
	set, err := a.o.Ring.Published(keys.EntityStatement)
	if err != nil {
		return "", err
	}
	for _, k := range set { // the set itself stands in configurations
		name += " " + string(k.KeyID) + "/" + string(k.State)
	}
	if token, _, ok := kept.Get(name); ok {
		return token, nil
	}
	got, err, _ := a.flights.Do(name, func() (any, error) {
		now := a.o.Now()
		payload, err := claims(now)
		if err != nil {
			return "", err
		}
		// The signature is of all who wait for it.
		token, err := jose.Sign(context.WithoutCancel(ctx), a.o.Ring, jose.Token{
			Use: keys.EntityStatement, Algorithm: keys.ES256, Type: typ, Claims: payload,
		})
		if err != nil {
			return "", err
		}
		kept.Put(name, token[0], now)
		return token[0], nil
	})
	token, _ := got.(string)
	return token, err
}

// Configuration is what the entity says about itself (§3.1.2, §9).
func (a *Authority) Configuration(ctx context.Context) (string, error) {
	return a.sign(ctx, "configuration", statement.Type, func(now time.Time) (any, error) {
		set, err := a.keySet()
		if err != nil {
			return nil, err
		}
		return a.o.claims(set, now)
	})
}

// claims are the payload of the configuration.
func (o Options) claims(set json.RawMessage, now time.Time) (map[string]any, error) {
	all, err := o.metadata()
	if err != nil {
		return nil, err
	}
	claims := map[string]any{"iss": o.ID, "sub": o.ID, "iat": now.Unix(), "exp": now.Add(Life).Unix(), "jwks": set, "metadata": all}
	if len(o.Superiors) > 0 {
		claims["authority_hints"] = o.Superiors
	}
	if len(o.Marks) > 0 {
		list := make([]map[string]string, len(o.Marks))
		for i, m := range o.Marks {
			list[i] = map[string]string{"trust_mark_type": m.Type, "trust_mark": m.JWT}
		}
		claims["trust_marks"] = list
	}
	if len(o.MarkIssuers) > 0 {
		claims["trust_mark_issuers"] = o.MarkIssuers
	}
	if len(o.MarkOwners) > 0 {
		claims["trust_mark_owners"] = o.MarkOwners
	}
	return claims, nil
}

// Check reports whether the configuration would be one that others take (§3.2). It needs
// neither keys nor a registry.
func (o Options) Check(now time.Time) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	placeholder := keys.PublicKey{Handle: keys.Handle{KeyID: "placeholder", Algorithm: keys.ES256}, Key: private.Public()}
	set, err := jose.MarshalSet([]keys.PublicKey{placeholder})
	if err != nil {
		return err
	}
	claims, err := o.claims(set, now)
	if err != nil {
		return err
	}
	token, err := statement.Unsigned(claims)
	if err == nil {
		_, err = statement.Parse(token)
	}
	return err
}

// keySet are the federation keys that are published: the next one too, so that superiors
// have it before it signs (§11.2).
func (a *Authority) keySet() (json.RawMessage, error) {
	published, err := a.o.Ring.Published(keys.EntityStatement)
	if err != nil {
		return nil, err
	}
	return jose.MarshalSet(published)
}

// metadata are those of the configuration: federation_entity with the endpoints (§5.1.1), and
// those of the other roles.
func (o Options) metadata() (map[federation.EntityType]any, error) {
	entity := map[string]any{"organization_name": o.Organization}
	for path, name := range Names {
		if !o.has(path) {
			continue
		}
		entity[name] = o.at(path)
		if methods := o.Authentication[path].Methods(); methods != nil { // §8.8.1
			entity[name+"_auth_methods"] = methods
			entity["endpoint_auth_signing_alg_values_supported"] = statement.Algorithms
		}
	}
	all := map[federation.EntityType]any{federation.FederationEntity: entity}
	if o.Metadata == nil {
		return all, nil
	}
	others, err := o.Metadata()
	if err != nil {
		return nil, fmt.Errorf("the metadata of the entity: %w", err)
	}
	for kind, one := range maps.All(others) {
		all[kind] = one
	}
	return all, nil
}

// at is the URL of an endpoint.
func (o Options) at(path string) string { return string(o.ID) + path }

// statementOf is what is stated about a subordinate that is in force (§3.1.3, §8.1). It ends
// with the enrolment, if that comes first.
func (a *Authority) statementOf(ctx context.Context, s enrol.Subordinate) (string, error) {
	name := "statement " + strconv.Itoa(s.Revision) + " " + string(s.ID)
	return a.sign(ctx, name, statement.Type, func(now time.Time) (any, error) {
		if err := a.o.Registry.CheckSubordinate(context.WithoutCancel(ctx), s); err != nil {
			return nil, err
		}
		expiry := now.Add(Life)
		if s.Terms.Until.Before(expiry) {
			expiry = s.Terms.Until
		}
		claims := s.Terms.Claims(a.o.ID, s.ID, now, expiry)
		claims["source_endpoint"] = a.o.at(FetchPath)
		return claims, nil
	})
}

// Mark is a trust mark that is active, signed (§8.6).
func (a *Authority) Mark(ctx context.Context, m enrol.Mark) (string, error) {
	name := "mark " + strconv.Itoa(m.Revision) + " " + string(m.Subject) + " " + m.Type
	return a.sign(ctx, name, mark.Type, func(time.Time) (any, error) {
		return m.Claims(a.o.ID), a.o.Registry.CheckMark(context.WithoutCancel(ctx), m)
	})
}

// historyType is the `typ` of keys of the past (§8.7.2).
const historyType = "jwk-set+jwt"

// history are the keys of the past (§8.7).
func (a *Authority) history(ctx context.Context) (string, error) {
	past, err := a.o.Ring.Past(keys.EntityStatement)
	if err != nil {
		return "", err
	}
	name := "history"
	for _, p := range past {
		name += " " + string(p.PublicKey.KeyID) + "/" + string(p.VersionState.State)
	}
	return a.sign(ctx, name, historyType, func(now time.Time) (any, error) {
		list := []map[string]any{}
		for _, p := range past {
			one, err := pastKey(p)
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
		return map[string]any{"iss": a.o.ID, "iat": now.Unix(), "keys": list}, nil
	})
}

// pastKey is a key of the past as §8.7.2 has it: exp is when it left the set, or was revoked.
func pastKey(p lifecycle.Past) (map[string]any, error) {
	raw, err := jose.MarshalSet([]keys.PublicKey{p.PublicKey})
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil || len(set.Keys) != 1 {
		return nil, fmt.Errorf("the key %s cannot be written as a JWK", p.PublicKey.KeyID)
	}
	one := set.Keys[0]
	one["exp"] = p.Ended.Unix()
	if !p.Activated.IsZero() {
		one["iat"] = p.Activated.Unix()
	}
	if p.VersionState.State == keys.Revoked {
		// The reason is not in the book of keys, and may be left out (§8.7.3).
		one["revoked"] = map[string]any{"revoked_at": p.Ended.Unix()}
	}
	return one, nil
}
