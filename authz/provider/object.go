package provider

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Fetcher gets a document from a URL that a client registered. It reaches public
// addresses only, follows no redirect, and gives up at limit bytes.
type Fetcher interface {
	Fetch(ctx context.Context, address string, limit int64) ([]byte, error)
}

// Limits of request objects, RFC 9101 §10.2: their size, and how many are decrypted
// at one time. Anyone can encrypt one in the name of an app and send it, and each costs
// an operation with a private key of ours: at most maxDecrypting run at once, so that
// the signatures that people wait for are not starved.
const (
	maxObject     = 32 << 10
	maxDecrypting = 8
)

// unwrapped gives the request itself: what is in the request object if one came,
// by value or by reference (RFC 9101 §5), else the form. The engine and the checks
// see nothing else. Errors are *authz.Error.
func (p *Provider) unwrapped(ctx context.Context, form url.Values, client *clientauth.Registered) (url.Values, error) {
	object, address := form.Get("request"), form.Get("request_uri")
	switch {
	case object != "" && address != "":
		return nil, authz.Refuse(authz.InvalidRequest, "request and request_uri exclude each other (RFC 9101 §5)").At("request")
	case object == "" && address == "" && (client.Profile.RequireRequestObject || client.RequireRequestObject):
		return nil, authz.Refuse(authz.InvalidRequest, "this app must sign its authorization requests (RFC 9101, profile %s)", client.Profile.Name).At("request")
	case object == "" && address == "":
		return form, nil
	case address != "":
		fetched, err := p.fetchObject(ctx, address, client)
		if err != nil {
			return nil, err
		}
		object = fetched
	}
	signed, err := p.decrypted(ctx, object)
	if err != nil {
		return nil, err
	}
	claims, err := p.verifiedObject(ctx, signed, client)
	if err != nil {
		return nil, err
	}
	return request.FromObject(claims, form, client.Client, client.Profile, p.o.Issuer, p.now())
}

// fetchObject gets a request object from where the app registered it may be.
func (p *Provider) fetchObject(ctx context.Context, address string, client *clientauth.Registered) (string, error) {
	// The fragment, if any, is only there to make another URL of it (OpenID
	// Connect Core §6.2).
	plain, _, _ := strings.Cut(address, "#")
	registered := slices.ContainsFunc(client.RequestURIs, func(uri string) bool {
		without, _, _ := strings.Cut(uri, "#")
		return without == plain
	})
	if !registered || p.o.Fetcher == nil {
		return "", authz.Refuse(authz.InvalidRequestURI, "request_uri is neither one that this provider gave out nor registered for this app").At("request_uri").Because(ErrForeign)
	}
	if !p.fetching.begin(client.ID) {
		return "", &authz.Error{
			Code: authz.TemporarilyUnavailable, RetryAfter: 2 * time.Second,
			Description: "too many request objects are being fetched; send the same request again, or push it (RFC 9126)",
		}
	}
	defer p.fetching.end(client.ID)
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	raw, err := p.o.Fetcher.Fetch(ctx, plain, maxObject)
	if err != nil {
		return "", authz.Refuse(authz.InvalidRequestURI, "the request object could not be fetched from request_uri").At("request_uri").Because(err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// Limits on request objects that are fetched at one time. Anyone can make us call an
// app, by naming it at the authorization endpoint (RFC 9101 §10.4), so an app that does
// not answer must not use up all fetches.
const (
	maxFetches      = 64
	maxFetchesOfApp = 4
	fetchTime       = 5 * time.Second
)

// fetches counts them, in all and by app.
type fetches struct {
	mu  sync.Mutex
	all int
	of  map[authz.ClientID]int
}

func (f *fetches) begin(app authz.ClientID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all >= maxFetches || f.of[app] >= maxFetchesOfApp {
		return false
	}
	if f.of == nil {
		f.of = map[authz.ClientID]int{}
	}
	f.all++
	f.of[app]++
	return true
}

func (f *fetches) end(app authz.ClientID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all--
	if f.of[app]--; f.of[app] == 0 {
		delete(f.of, app)
	}
}

func badObject(err error) *authz.Error {
	return authz.Refuse(authz.InvalidRequestObject, "the request object cannot be accepted: %v", err).At("request").Because(err)
}

// decrypted opens an object that was encrypted to us; a signed one is as it is.
func (p *Provider) decrypted(ctx context.Context, object string) (string, error) {
	if !jose.IsEncrypted(object) {
		return object, nil
	}
	select {
	case p.decrypting <- struct{}{}:
		defer func() { <-p.decrypting }()
	case <-ctx.Done():
		return "", authz.AsError(fmt.Errorf("waiting to decrypt a request object: %w: %w", authz.ErrUnavailable, ctx.Err()))
	}
	signed, err := jose.Decrypt(ctx, p.o.Ring, object, maxObject)
	switch {
	case errors.Is(err, keys.ErrUnavailable):
		return "", token.KeysError(err)
	case err != nil:
		return "", badObject(err)
	case jose.IsEncrypted(signed):
		return "", badObject(errors.New("it is encrypted twice"))
	}
	return signed, nil
}

// verifiedObject checks the signature against the keys of the registration, or
// that there is none, of an app that may send one without.
func (p *Provider) verifiedObject(ctx context.Context, signed string, client *clientauth.Registered) ([]byte, error) {
	if unsignedAlso(client) {
		if claims, err := jose.Unsigned(signed, maxObject); err == nil {
			return claims, nil
		}
	}
	if client.RequestObjectAlg == "none" && client.Profile.UnsignedRequestObjects {
		claims, err := jose.Unsigned(signed, maxObject)
		if err != nil {
			return nil, badObject(err)
		}
		return claims, nil
	}
	claims, err := p.verifiedBy(ctx, client, signed, client.RequestObjectAlg)
	if errors.Is(err, authz.ErrUnavailable) {
		return nil, authz.AsError(err)
	}
	if err != nil {
		return nil, badObject(err)
	}
	return claims, nil
}

// unsignedAlso reports whether an app may leave its request objects unsigned where it
// likes: one that registered no algorithm for them (OpenID Connect Dynamic
// Registration §2: any that both have), of a profile that lets it. Such an object
// says no more than the same parameters without one, which the app may send too.
func unsignedAlso(client *clientauth.Registered) bool {
	return client.RequestObjectAlg == "" && client.Profile.UnsignedRequestObjects && !client.RequireRequestObject
}

// verifiedBy checks a JWT that a client signed, with the one algorithm it has
// registered or any of its profile's.
func (p *Provider) verifiedBy(ctx context.Context, client *clientauth.Registered, signed, algorithm string) ([]byte, error) {
	if len(client.JWKS) == 0 && client.JWKSURI == "" {
		return nil, errors.New("this app has registered no key to sign it with")
	}
	allowed := client.Profile.ClientAlgorithms
	if algorithm != "" {
		allowed = []string{algorithm}
	}
	verified, err := p.o.Directory.Verify(ctx, signed, client, jose.Rule{
		Type: request.ObjectType, Lenient: true, Algorithms: keys.Named(allowed), MaxBytes: maxObject,
	})
	return verified.Claims, err
}
