package object

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

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

// Options is what an Objects is made of.
type Options struct {
	Issuer    string
	Ring      keys.Ring
	Directory *clientauth.Directory
	// Fetcher gets request objects by reference; nil offers none.
	Fetcher Fetcher
	// Spender remembers request objects that are taken once.
	Spender clientauth.Spender
	Now     func() time.Time
}

// Objects reads request objects. It is safe for concurrent use.
type Objects struct {
	o        Options
	fetching fetches
	// decrypting holds as many as decrypt a request object now.
	decrypting *semaphore.Weighted
}

// New makes an Objects.
func New(o Options) *Objects {
	return &Objects{o: o, decrypting: semaphore.NewWeighted(maxDecrypting)}
}

// Unwrap gives the request itself: what is in the request object if one came,
// by value or by reference (RFC 9101 §5), else the form. The engine and the checks
// see nothing else. Errors are *authz.Error.
func (o *Objects) Unwrap(ctx context.Context, form url.Values, client *clientauth.Registered) (url.Values, error) {
	object, address := form.Get("request"), form.Get("request_uri")
	switch {
	case object != "" && address != "":
		return nil, authz.NewError(authz.InvalidRequest, "request and request_uri exclude each other (RFC 9101 §5)").At("request")
	case object == "" && address == "" && (client.Profile.RequireRequestObject || client.RequireRequestObject):
		return nil, authz.NewError(authz.InvalidRequest, "this app must sign its authorization requests (RFC 9101, profile %s)",
			client.Profile.Name).At("request")
	case object == "" && address == "":
		return form, nil
	case address != "":
		fetched, err := o.fetch(ctx, address, client)
		if err != nil {
			return nil, err
		}
		object = fetched
	}
	signed, err := o.decrypt(ctx, object)
	if err != nil {
		return nil, err
	}
	claims, err := o.verify(ctx, signed, client)
	if err != nil {
		return nil, err
	}
	inside, err := request.FromObject(claims, form, client.Client, client.Profile, o.o.Issuer, o.o.Now())
	if err != nil || !client.Membership.Federated() {
		return inside, err
	}
	return inside, o.spend(ctx, claims, client.ID)
}

// spend takes a request object of an app of a federation once (OpenID Federation 1.0
// §12.1.1), on all nodes.
func (o *Objects) spend(ctx context.Context, claims []byte, app authz.ClientID) error {
	digest, expires := request.Single(claims, app)
	err := o.o.Spender.Spend(ctx, clientauth.Assertion{Digest: digest, Expires: expires})
	if errors.Is(err, authz.ErrConflict) {
		return badObject(errors.New("it was used before; sign a new one with a new jti (OpenID Federation 1.0 §12.1.1)"))
	}
	if err != nil {
		return authz.AsError(err)
	}
	return nil
}

// fetch gets a request object from where the app registered it may be.
func (o *Objects) fetch(ctx context.Context, address string, client *clientauth.Registered) (string, error) {
	// The fragment, if any, is only there to make another URL of it (OpenID
	// Connect Core §6.2).
	plain, _, _ := strings.Cut(address, "#")
	registered := slices.ContainsFunc(client.RequestURIs, func(uri string) bool {
		without, _, _ := strings.Cut(uri, "#")
		return without == plain
	})
	if !registered || o.o.Fetcher == nil {
		return "", authz.NewError(authz.InvalidRequestURI,
			"request_uri is neither one that this provider gave out nor registered for this app").At("request_uri").Because(ErrForeign)
	}
	if !o.fetching.begin(client.ID) {
		return "", &authz.Error{
			Code: authz.TemporarilyUnavailable, RetryAfter: 2 * time.Second,
			Description: "too many request objects are being fetched; send the same request again, or push it (RFC 9126)",
		}
	}
	defer o.fetching.end(client.ID)
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	raw, err := o.o.Fetcher.Fetch(ctx, plain, maxObject)
	if err != nil {
		return "", authz.NewError(authz.InvalidRequestURI,
			"the request object could not be fetched from request_uri").At("request_uri").Because(err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// ErrForeign is the cause of a refusal when a request_uri is none of this app's.
var ErrForeign = errors.New("the request_uri is not this app's")

func badObject(err error) *authz.Error {
	return authz.NewError(authz.InvalidRequestObject, "the request object cannot be accepted: %v", err).At("request").Because(err)
}

// decrypt opens an object that was encrypted to us; a signed one is as it is.
func (o *Objects) decrypt(ctx context.Context, object string) (string, error) {
	if !jose.IsEncrypted(object) {
		return object, nil
	}
	if err := o.decrypting.Acquire(ctx, 1); err != nil {
		return "", authz.AsError(fmt.Errorf("waiting to decrypt a request object: %w: %w", authz.ErrUnavailable, err))
	}
	defer o.decrypting.Release(1)
	signed, err := jose.Decrypt(ctx, o.o.Ring, object, maxObject)
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

// verify checks the signature against the keys of the registration, or
// that there is none, of an app that may send one without.
func (o *Objects) verify(ctx context.Context, signed string, client *clientauth.Registered) ([]byte, error) {
	if unsignedAlso(client) {
		if claims, err := jose.Unsigned(signed, maxObject); err == nil {
			return claims, nil
		}
	}
	if client.RequestObjectAlg == "none" && client.Profile.UnsignedRequestObjects && !client.Membership.Federated() {
		claims, err := jose.Unsigned(signed, maxObject)
		if err != nil {
			return nil, badObject(err)
		}
		return claims, nil
	}
	claims, err := o.VerifiedBy(ctx, client, signed, client.RequestObjectAlg)
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
// says no more than the same parameters without one, which the app may send too. One of a
// federation may not (OpenID Federation 1.0 §12.1.1.2).
func unsignedAlso(client *clientauth.Registered) bool {
	return client.RequestObjectAlg == "" && !client.Membership.Federated() &&
		client.Profile.UnsignedRequestObjects && !client.RequireRequestObject
}

// VerifiedBy checks a JWT that a client signed, with the one algorithm it has
// registered or any of its profile's.
func (o *Objects) VerifiedBy(ctx context.Context, client *clientauth.Registered, signed, algorithm string) ([]byte, error) {
	if len(client.JWKS) == 0 && client.JWKSURI == "" {
		return nil, errors.New("this app has registered no key to sign it with")
	}
	allowed := client.Profile.ClientAlgorithms
	if algorithm != "" {
		allowed = []string{algorithm}
	}
	verified, err := o.o.Directory.Verify(ctx, signed, client, jose.Rule{
		Type: request.ObjectType, Lenient: true, Algorithms: keys.Named(allowed), MaxBytes: maxObject,
	})
	return verified.Claims, err
}
