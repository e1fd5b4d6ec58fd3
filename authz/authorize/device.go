package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/redeem"
	"hopnhat/authz/request"
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
func (d *Doors) Device(w http.ResponseWriter, r *http.Request) {
	answer, err := d.device(r)
	if err != nil {
		d.o.Refusals.Write(w, r, err)
		return
	}
	protocol.WriteJSON(w, http.StatusOK, answer)
}

// tries bounds how often a user code is drawn again because another request has
// it.
const tries = 4

func (d *Doors) device(r *http.Request) (deviceAnswer, error) {
	form, err := protocol.PostForm(r)
	if err != nil {
		return deviceAnswer{}, err
	}
	ctx := r.Context()
	client, assertion, err := d.o.Clients.Authenticate(ctx, r, form)
	if err == nil && client.Method == authz.PublicClient {
		err = admit(d.o.Strangers, r)
	}
	if err != nil {
		return deviceAnswer{}, err
	}
	if err := redeem.CheckMayUse(client, authz.GrantDevice); err != nil {
		return deviceAnswer{}, err
	}
	checked, err := d.o.Checker.Device(form, client.Client, client.Profile)
	if err != nil {
		return deviceAnswer{}, err
	}
	if err := request.Deliverable(client.Client, client.Profile, &checked); err != nil {
		return deviceAnswer{}, err
	}
	now := d.o.Now().UTC()
	id := authz.AuthorizationID(authz.NewSecret())
	pending := grant.Pending{ID: id, Request: checked, Created: now, Expires: now.Add(d.o.Lifetimes.Decoupled)}
	var code string
	for range tries {
		code = decoupled.NewUserCode()
		err = d.begin(ctx, pending, &decoupled.Request{
			ID: id, Channel: decoupled.Device, Client: client.ID, UserCode: d.o.Approvals.Keys.Digest(code),
			Symbol: decoupled.UserCodeSymbol(code),
			State:  decoupled.Requested, Created: now, Expires: pending.Expires,
		}, assertion, func(context.Context) error { return nil })
		if authz.IsError(err) || !errors.Is(err, authz.ErrConflict) {
			break
		}
	}
	if err != nil {
		return deviceAnswer{}, authz.AsError(err)
	}
	shown := decoupled.FormatUserCode(code)
	page := d.o.URLs.Issuer + d.o.Pages.Device
	return deviceAnswer{
		DeviceCode: d.o.Approvals.Keys.Code(id), UserCode: shown, URI: page,
		Complete:  page + "?" + url.Values{"user_code": {shown}}.Encode(),
		ExpiresIn: int(d.o.Lifetimes.Decoupled.Seconds()), Interval: int(decoupled.Interval.Seconds()),
	}, nil
}

// begin stores a request that is to be answered on another device: the
// pending authorization and the engine's row, and what must be spent by it, in one
// commit. look may change the row still.
func (d *Doors) begin(ctx context.Context, pending grant.Pending, r *decoupled.Request, assertion clientauth.Assertion,
	look func(context.Context) error,
) error {
	return grant.SpendWith(ctx, d.o.Store, assertion, func(ctx context.Context) error {
		return d.o.Store.Tx(ctx, func(ctx context.Context) error {
			if err := look(ctx); err != nil {
				return err
			}
			if err := d.o.Store.InsertPending(ctx, pending, clientauth.Assertion{}); err != nil {
				return err
			}
			return d.o.Approvals.Store.InsertDecoupled(ctx, *r)
		})
	})
}
