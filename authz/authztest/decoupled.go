package authztest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/decoupled/decoupledtest"
	"hopnhat/authz/grant"
	"hopnhat/authz/provider"
	"hopnhat/keys/seal"
)

// Apart is a world with a second device: what the store promises, over the grants
// of the world.
type Apart struct {
	*World
	*decoupledtest.Store
}

// Polled reads the request, and the grant that answers it.
func (a *Apart) Polled(ctx context.Context, id authz.AuthorizationID, hash []byte) (decoupled.Request, *grant.Grant, error) {
	r, err := a.Decoupled(ctx, id)
	if err != nil {
		return r, nil, err
	}
	g, err := a.Memory.GrantByCode(ctx, hash)
	if err != nil {
		return r, nil, nil
	}
	return r, &g, nil
}

// SubjectOfNumber knows the number of the person who is signed in.
func (a *Apart) SubjectOfNumber(_ context.Context, number authz.PersonalNumber) (authz.Subject, error) {
	if number != "099000000001" {
		return "", authz.ErrNotFound
	}
	return "p", nil
}

// SubjectOfPairwise knows nobody.
func (a *Apart) SubjectOfPairwise(context.Context, string, authz.Pairwise) (authz.Subject, error) {
	return "", authz.ErrNotFound
}

// KnowPairwise keeps nothing.
func (a *Apart) KnowPairwise(context.Context, string, authz.Pairwise, authz.Subject) error {
	return nil
}

// NewApart is a new world of an app with the grants of RFC 8628 and CIBA.
func NewApart(t interface{ Fatal(...any) }) *Apart {
	w := Empty()
	w.App.GrantTypes = append(w.App.GrantTypes, authz.GrantDevice, authz.GrantCIBA)
	w.App.BackchannelDelivery = authz.Poll
	a := &Apart{w, decoupledtest.New()}
	clock := func() time.Time { return w.Now }
	var err error
	w.Provider, err = provider.New(context.Background(), provider.Options{
		Issuer: "https://id.example", SignInPath: "/signin", ConsentPath: "/consent", ApprovePath: "/approve", DevicePath: "/device",
		WaitingPath: "/portal/requests",
		Ring:        Ring(), Grants: w.Memory, Sessions: w, Consents: w, Pseudonyms: w, Decoupled: a,
		Approvals: &decoupled.Engine{
			Store: a.Store, Keys: decoupled.NewKeys(seal.New(seal.Approvals, []byte("a key of thirty-two bytes, really"))),
			Pace:     decoupled.NewPace(),
			Evidence: a.Store.Scribe(), Now: clock,
		},
		Directory: clientauth.NewDirectory(w, 0, clock), Proofs: clientauth.NewProofs(seal.New(seal.Nonces, []byte("nonces")), clock),
		Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// BodyOf is an answer of an endpoint.
func BodyOf(out *httptest.ResponseRecorder) map[string]any {
	body := map[string]any{}
	_ = json.Unmarshal(out.Body.Bytes(), &body)
	return body
}

// Get is a request of a browser.
func Get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

// Unchanged is an approval that changes nothing beside it.
func Unchanged(context.Context) error { return nil }
