package authorize

import (
	"context"
	"crypto/sha256"
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
	"hopnhat/authz/token"
)

// backchannelAnswer is CIBA Core §7.3. BindingNumber is ours: what the person has
// to pick on her own device, and so what the app has to show, unless it is in the
// binding_message that the app shows anyway.
type backchannelAnswer struct {
	ID            string `json:"auth_req_id"`
	ExpiresIn     int    `json:"expires_in"`
	Interval      int    `json:"interval"`
	BindingNumber string `json:"binding_number"`
}

// Backchannel is the backchannel authentication endpoint, CIBA Core §7. The
// answer does not depend on the person. For an unknown number, and for a person who
// disowned the app's last request, the request just expires; for a person with many
// requests waiting, it waits on her page without a ring.
func (d *Doors) Backchannel(w http.ResponseWriter, r *http.Request) {
	answer, err := d.backchannel(r)
	if err != nil {
		d.o.Refusals.Write(w, r, err)
		return
	}
	protocol.WriteJSON(w, http.StatusOK, answer)
}

func (d *Doors) backchannel(r *http.Request) (backchannelAnswer, error) {
	form, err := protocol.PostForm(r)
	if err != nil {
		return backchannelAnswer{}, err
	}
	ctx := r.Context()
	client, assertion, err := d.o.Clients.Authenticate(ctx, r, form)
	if err != nil {
		return backchannelAnswer{}, err
	}
	if err := redeem.CheckMayUse(client, authz.GrantCIBA); err != nil {
		return backchannelAnswer{}, err
	}
	form, signed, err := d.signedRequest(ctx, form, client)
	if err != nil {
		return backchannelAnswer{}, err
	}
	checked, err := d.o.Checker.Backchannel(form, client.Client, client.Profile)
	if err != nil {
		return backchannelAnswer{}, err
	}
	if err := request.Deliverable(client.Client, client.Profile, &checked.Authorization); err != nil {
		return backchannelAnswer{}, err
	}
	subject, err := d.subjectOfHint(ctx, checked, client)
	if err != nil {
		return backchannelAnswer{}, err
	}
	pending, row, err := d.newBackchannelRequest(ctx, checked, client, subject)
	if err != nil {
		return backchannelAnswer{}, err
	}
	var reach decoupled.Reach
	err = d.begin(ctx, pending, &row, assertion, func(ctx context.Context) (err error) {
		if err := d.spendRequest(ctx, signed); err != nil {
			return err
		}
		reach, err = d.o.Approvals.Reaches(ctx, subject, client.ID)
		if reach == decoupled.ToNobody {
			row.Subject = ""
		}
		return err
	})
	if err != nil {
		return backchannelAnswer{}, authz.AsError(err)
	}
	if reach == decoupled.ToRing {
		d.o.Approvals.Tell(ctx, decoupled.Notice{
			Subject: row.Subject, Request: pending.ID, App: client.Name, Owner: client.Owner, URL: d.o.URLs.Issuer + d.o.Pages.Waiting,
			Expires: pending.Expires,
		})
	}
	return backchannelAnswer{
		ID: d.o.Approvals.Keys.Code(pending.ID), ExpiresIn: int(pending.Expires.Sub(pending.Created).Seconds()),
		Interval: int(decoupled.Interval.Seconds()), BindingNumber: row.Symbol,
	}, nil
}

// newBackchannelRequest makes the row that is stored for a request.
func (d *Doors) newBackchannelRequest(ctx context.Context, checked request.Backchannel, client *clientauth.Registered,
	subject authz.Subject,
) (grant.Pending, decoupled.Request, error) {
	now := d.o.Now().UTC()
	life := d.o.Lifetimes.Decoupled
	if checked.Expiry > 0 && checked.Expiry < life {
		life = checked.Expiry
	}
	id := authz.AuthorizationID(authz.NewSecret())
	pending := grant.Pending{ID: id, Request: checked.Authorization, Created: now, Expires: now.Add(life)}
	row := decoupled.Request{
		ID: id, Channel: decoupled.CIBA, Client: client.ID, Subject: subject, Symbol: decoupled.SymbolOf(checked.Message),
		Message: checked.Message,
		State:   decoupled.Requested, Created: now, Expires: pending.Expires,
	}
	if checked.NotificationToken != "" {
		sealed, err := d.o.Ring.Seal(ctx, []byte(checked.NotificationToken), decoupled.NotificationAAD(id))
		if err != nil {
			return grant.Pending{}, decoupled.Request{}, token.KeysError(err)
		}
		row.Notification = sealed
	}
	return pending, row, nil
}

// signedRequest gives the parameters: those inside of a signed authentication
// request, if one came (CIBA Core §7.1.1), else the form. What must be spent is
// the request's jti.
func (d *Doors) signedRequest(ctx context.Context, form url.Values,
	client *clientauth.Registered,
) (url.Values, clientauth.Assertion, error) {
	object := form.Get("request")
	if object == "" {
		if client.Profile.RequireRequestObject || client.BackchannelRequestAlg != "" {
			return nil, clientauth.Assertion{}, authz.NewError(authz.InvalidRequest,
				"this app must sign its authentication requests (CIBA Core §7.1.1)").At("request")
		}
		if form.Get("request_uri") != "" {
			return nil, clientauth.Assertion{}, authz.NewError(authz.InvalidRequest,
				"request_uri is not used here (CIBA Core §7.1.1)").At("request_uri")
		}
		return form, clientauth.Assertion{}, nil
	}
	claims, err := d.o.Objects.VerifiedBy(ctx, client, object, client.BackchannelRequestAlg)
	if errors.Is(err, authz.ErrUnavailable) {
		return nil, clientauth.Assertion{}, authz.AsError(err)
	}
	if err != nil {
		return nil, clientauth.Assertion{}, authz.NewError(authz.InvalidRequest, "the signed authentication request cannot be accepted: %v",
			err).At("request").Because(err)
	}
	inside, jti, expires, err := request.FromSigned(claims, form, client.Client, d.o.URLs.Issuer, d.o.Now())
	if err != nil {
		return nil, clientauth.Assertion{}, err
	}
	digest := sha256.Sum256([]byte("ciba\x00" + string(client.ID) + "\x00" + jti))
	return inside, clientauth.Assertion{Digest: digest[:], Expires: expires}, nil
}

// spendRequest remembers the jti of a signed request, which is accepted once.
func (d *Doors) spendRequest(ctx context.Context, signed clientauth.Assertion) error {
	err := d.o.Store.Spend(ctx, signed)
	if errors.Is(err, authz.ErrConflict) {
		return authz.NewError(authz.InvalidRequest,
			"the signed authentication request was used before; make a new one with a new jti").At("request")
	}
	return err
}
