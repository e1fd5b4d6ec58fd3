package provider

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
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
func (p *Provider) Backchannel(w http.ResponseWriter, r *http.Request) {
	answer, err := p.backchannel(r)
	if err != nil {
		p.refusals.Write(w, r, err)
		return
	}
	protocol.WriteJSON(w, http.StatusOK, answer)
}

func (p *Provider) backchannel(r *http.Request) (backchannelAnswer, error) {
	form, err := protocol.PostForm(r)
	if err != nil {
		return backchannelAnswer{}, err
	}
	ctx := r.Context()
	client, assertion, err := p.clients.Authenticate(ctx, r, form)
	if err != nil {
		return backchannelAnswer{}, err
	}
	if err := redeem.CheckMayUse(client, authz.GrantCIBA); err != nil {
		return backchannelAnswer{}, err
	}
	form, signed, err := p.signedRequest(ctx, form, client)
	if err != nil {
		return backchannelAnswer{}, err
	}
	checked, err := p.checker.Backchannel(form, client.Client, client.Profile)
	if err != nil {
		return backchannelAnswer{}, err
	}
	if err := deliverable(client, &checked.Authorization); err != nil {
		return backchannelAnswer{}, err
	}
	subject, err := p.named(ctx, checked, client)
	if err != nil {
		return backchannelAnswer{}, err
	}
	pending, row, err := p.asked(ctx, checked, client, subject)
	if err != nil {
		return backchannelAnswer{}, err
	}
	var reach decoupled.Reach
	err = p.beginDecoupled(ctx, pending, &row, assertion, func(ctx context.Context) (err error) {
		if err := p.spendRequest(ctx, signed); err != nil {
			return err
		}
		reach, err = p.o.Approvals.Reaches(ctx, subject, client.ID)
		if reach == decoupled.ToNobody {
			row.Subject = ""
		}
		return err
	})
	if err != nil {
		return backchannelAnswer{}, authz.AsError(err)
	}
	if reach == decoupled.ToRing {
		p.o.Approvals.Tell(ctx, decoupled.Notice{
			Subject: row.Subject, Request: pending.ID, App: client.Name, Owner: client.Owner, URL: p.o.Issuer + p.o.WaitingPath, Expires: pending.Expires,
		})
	}
	return backchannelAnswer{
		ID: p.o.Approvals.Keys.Code(pending.ID), ExpiresIn: int(pending.Expires.Sub(pending.Created).Seconds()),
		Interval: int(decoupled.Interval.Seconds()), BindingNumber: row.Symbol,
	}, nil
}

// asked makes the row that is stored for a request.
func (p *Provider) asked(ctx context.Context, checked request.Backchannel, client *clientauth.Registered, subject authz.Subject) (Pending, decoupled.Request, error) {
	now := p.now().UTC()
	life := p.life.Decoupled
	if checked.Expiry > 0 && checked.Expiry < life {
		life = checked.Expiry
	}
	id := authz.AuthorizationID(authz.NewSecret())
	pending := Pending{ID: id, Request: checked.Authorization, Created: now, Expires: now.Add(life)}
	row := decoupled.Request{
		ID: id, Channel: decoupled.CIBA, Client: client.ID, Subject: subject, Symbol: decoupled.SymbolOf(checked.Message), Message: checked.Message,
		State: decoupled.Requested, Created: now, Expires: pending.Expires,
	}
	if checked.NotificationToken != "" {
		sealed, err := p.o.Ring.Seal(ctx, []byte(checked.NotificationToken), decoupled.NotificationAAD(id))
		if err != nil {
			return Pending{}, decoupled.Request{}, token.KeysError(err)
		}
		row.Notification = sealed
	}
	return pending, row, nil
}

// signedRequest gives the parameters: those inside of a signed authentication
// request, if one came (CIBA Core §7.1.1), else the form. What must be spent is
// the request's jti.
func (p *Provider) signedRequest(ctx context.Context, form url.Values, client *clientauth.Registered) (url.Values, clientauth.Assertion, error) {
	object := form.Get("request")
	if object == "" {
		if client.Profile.RequireRequestObject || client.BackchannelRequestAlg != "" {
			return nil, clientauth.Assertion{}, authz.Refuse(authz.InvalidRequest, "this app must sign its authentication requests (CIBA Core §7.1.1)").At("request")
		}
		if form.Get("request_uri") != "" {
			return nil, clientauth.Assertion{}, authz.Refuse(authz.InvalidRequest, "request_uri is not used here (CIBA Core §7.1.1)").At("request_uri")
		}
		return form, clientauth.Assertion{}, nil
	}
	claims, err := p.verifiedBy(ctx, client, object, client.BackchannelRequestAlg)
	if errors.Is(err, authz.ErrUnavailable) {
		return nil, clientauth.Assertion{}, authz.AsError(err)
	}
	if err != nil {
		return nil, clientauth.Assertion{}, authz.Refuse(authz.InvalidRequest, "the signed authentication request cannot be accepted: %v", err).At("request").Because(err)
	}
	inside, jti, expires, err := request.FromSigned(claims, form, client.Client, p.o.Issuer, p.now())
	if err != nil {
		return nil, clientauth.Assertion{}, err
	}
	digest := sha256.Sum256([]byte("ciba\x00" + string(client.ID) + "\x00" + jti))
	return inside, clientauth.Assertion{Digest: digest[:], Expires: expires}, nil
}

// spendRequest remembers the jti of a signed request, which is accepted once.
func (p *Provider) spendRequest(ctx context.Context, signed clientauth.Assertion) error {
	err := p.o.Grants.Spend(ctx, signed)
	if errors.Is(err, authz.ErrConflict) {
		return authz.Refuse(authz.InvalidRequest, "the signed authentication request was used before; make a new one with a new jti").At("request")
	}
	return err
}

var numberForm = regexp.MustCompile(`^[0-9]{12}$`)

// named finds the subject that the hint names, empty if there is none: the caller
// answers the app the same in both cases. A hint of a wrong form is an error, since
// that discloses nothing about any person. Errors are *authz.Error.
func (p *Provider) named(ctx context.Context, b request.Backchannel, client *clientauth.Registered) (authz.Subject, error) {
	var subject authz.Subject
	var err error
	switch {
	case b.LoginHint != "":
		subject, err = p.numbered(ctx, b.LoginHint, "login_hint")
	case b.LoginHintToken != "":
		subject, err = p.hintToken(ctx, b.LoginHintToken, client)
	default:
		hint, refusal := p.verifier.IDTokenHint(b.IDTokenHint)
		if refusal == nil && (len(hint.Audience) != 1 || hint.Audience[0] != string(client.ID)) {
			refusal = authz.Refuse(authz.InvalidRequest, "id_token_hint was issued to another app").At("id_token_hint")
		}
		if refusal != nil {
			return "", refusal
		}
		subject, err = p.o.Decoupled.SubjectOfPairwise(ctx, client.Sector, authz.Pairwise(hint.Subject))
	}
	if errors.Is(err, authz.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", authz.AsError(err)
	}
	return subject, nil
}

// numbered finds the holder of a personal number of twelve digits.
func (p *Provider) numbered(ctx context.Context, number, parameter string) (authz.Subject, error) {
	if !numberForm.MatchString(number) {
		return "", authz.Refuse(authz.UnknownUserID, "%s is not a personal number of 12 digits", parameter).At(parameter)
	}
	return p.o.Decoupled.SubjectOfNumber(ctx, authz.PersonalNumber(number))
}

// hintClaim is a login_hint_token of ours: a JWT that the app signs, with a
// subject identifier (RFC 9493) of format opaque, the personal number, or
// iss_sub, the pseudonym we gave the app.
type hintClaim struct {
	Issuer   string         `json:"iss"`
	Subject  string         `json:"sub"`
	Audience token.Audience `json:"aud"`
	Expires  int64          `json:"exp"`
	Who      struct {
		Format  string         `json:"format"`
		ID      string         `json:"id"`
		Issuer  string         `json:"iss"`
		Subject authz.Pairwise `json:"sub"`
	} `json:"sub_id"`
}

// hintLife bounds a login_hint_token.
const hintLife = 10 * time.Minute

func (p *Provider) hintToken(ctx context.Context, token string, client *clientauth.Registered) (authz.Subject, error) {
	bad := func(format string, args ...any) (authz.Subject, error) {
		return "", authz.Refuse(authz.InvalidRequest, "login_hint_token: "+format, args...).At("login_hint_token")
	}
	claims, err := p.verifiedBy(ctx, client, token, "")
	if errors.Is(err, authz.ErrUnavailable) {
		return "", authz.AsError(err)
	}
	if err != nil {
		return bad("%v", err)
	}
	var hint hintClaim
	if err := json.Unmarshal(claims, &hint); err != nil {
		return bad("its claims cannot be read")
	}
	now, expires := p.now(), time.Unix(hint.Expires, 0)
	switch {
	case hint.Issuer != string(client.ID) || hint.Subject != "":
		// Without sub, so that a client assertion is no hint.
		return bad("iss must be the client_id, and the person stands in sub_id, not in sub")
	case len(hint.Audience) != 1 || hint.Audience[0] != p.o.Issuer:
		return bad("aud must be the issuer %s", p.o.Issuer)
	case hint.Expires == 0 || expires.After(now.Add(hintLife)):
		return bad("exp is missing or more than 10 minutes ahead")
	case !now.Before(expires):
		return "", authz.Refuse(authz.ExpiredLoginHintToken, "login_hint_token has expired; make a new one").At("login_hint_token")
	}
	switch hint.Who.Format {
	case "opaque":
		return p.numbered(ctx, hint.Who.ID, "login_hint_token")
	case "iss_sub":
		if hint.Who.Issuer != p.o.Issuer {
			return "", authz.ErrNotFound
		}
		return p.o.Decoupled.SubjectOfPairwise(ctx, client.Sector, hint.Who.Subject)
	}
	return "", authz.Refuse(authz.UnknownUserID, "login_hint_token: sub_id must be of format opaque or iss_sub (RFC 9493)").At("login_hint_token")
}
