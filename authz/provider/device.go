package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"hopnhat/authz"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/protocol"
	"hopnhat/authz/redeem"
)

// deviceAnswer is RFC 8628 §3.2.
type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int    `json:"expires_in"`
	Interval   int    `json:"interval"`
}

// Device is the device authorization endpoint, RFC 8628 §3.1. The client
// authenticates as at the token endpoint.
func (p *Provider) Device(w http.ResponseWriter, r *http.Request) {
	answer, err := p.device(r)
	if err != nil {
		p.refusals.Write(w, r, err)
		return
	}
	protocol.WriteJSON(w, http.StatusOK, answer)
}

// tries bounds how often a user code is drawn again because another request has
// it.
const tries = 4

func (p *Provider) device(r *http.Request) (deviceAnswer, error) {
	form, err := protocol.PostForm(r)
	if err != nil {
		return deviceAnswer{}, err
	}
	ctx := r.Context()
	client, assertion, err := p.clients.Authenticate(ctx, r, form)
	if err == nil && client.Method == authz.PublicClient {
		err = p.admit(r)
	}
	if err != nil {
		return deviceAnswer{}, err
	}
	if err := redeem.CheckMayUse(client, authz.GrantDevice); err != nil {
		return deviceAnswer{}, err
	}
	checked, err := p.checker.Device(form, client.Client, client.Profile)
	if err != nil {
		return deviceAnswer{}, err
	}
	if err := deliverable(client, &checked); err != nil {
		return deviceAnswer{}, err
	}
	now := p.now().UTC()
	id := authz.AuthorizationID(authz.NewSecret())
	pending := Pending{ID: id, Request: checked, Created: now, Expires: now.Add(p.life.Decoupled)}
	var code string
	for range tries {
		code = decoupled.NewUserCode()
		err = p.beginDecoupled(ctx, pending, &decoupled.Request{
			ID: id, Channel: decoupled.Device, Client: client.ID, UserCode: p.o.Approvals.Keys.Digest(code), Symbol: decoupled.UserCodeSymbol(code),
			State: decoupled.Requested, Created: now, Expires: pending.Expires,
		}, assertion, func(context.Context) error { return nil })
		if authz.IsError(err) || !errors.Is(err, authz.ErrConflict) {
			break
		}
	}
	if err != nil {
		return deviceAnswer{}, authz.AsError(err)
	}
	shown := decoupled.FormatUserCode(code)
	page := p.o.Issuer + p.o.DevicePath
	return deviceAnswer{
		DeviceCode: p.o.Approvals.Keys.Code(id), UserCode: shown, URI: page, Complete: page + "?" + url.Values{"user_code": {shown}}.Encode(),
		ExpiresIn: int(p.life.Decoupled.Seconds()), Interval: int(decoupled.Interval.Seconds()),
	}, nil
}

// ErrUserCode means that no device waits with a user code that was typed.
var ErrUserCode = errors.New("no device waits with this code")

// UserCode finds the request of a code that a person typed, and goes on with it as
// with any authorization: sign-in, level, the question, consent. The caller
// throttles (RFC 8628 §5.1).
func (p *Provider) UserCode(ctx context.Context, typed string) (Next, error) {
	code, ok := decoupled.ParseUserCode(typed)
	if !ok {
		return Next{}, ErrUserCode
	}
	r, err := p.o.Approvals.ByUserCode(ctx, code)
	if errors.Is(err, authz.ErrNotFound) || errors.Is(err, decoupled.ErrOver) {
		return Next{}, ErrUserCode
	}
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	return Next{Location: p.url.Authorize + "/resume?" + url.Values{"a": {string(p.handles.Handle(r.ID))}}.Encode()}, nil
}
