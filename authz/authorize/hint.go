package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
)

var numberForm = regexp.MustCompile(`^[0-9]{12}$`)

// subjectOfHint finds the subject that the hint names, empty if there is none: the caller
// answers the app the same in both cases. A hint of a wrong form is an error, since
// that discloses nothing about any person. Errors are *authz.Error.
func (d *Doors) subjectOfHint(ctx context.Context, b request.Backchannel, client *clientauth.Registered) (authz.Subject, error) {
	var subject authz.Subject
	var err error
	switch {
	case b.LoginHint != "":
		subject, err = d.subjectByNumber(ctx, b.LoginHint, "login_hint")
	case b.LoginHintToken != "":
		subject, err = d.hintToken(ctx, b.LoginHintToken, client)
	default:
		hint, refusal := d.o.Verifier.IDTokenHint(b.IDTokenHint)
		if refusal == nil && (len(hint.Audience) != 1 || hint.Audience[0] != string(client.ID)) {
			refusal = authz.NewError(authz.InvalidRequest, "id_token_hint was issued to another app").At("id_token_hint")
		}
		if refusal != nil {
			return "", refusal
		}
		subject, err = d.o.People.SubjectOfPairwise(ctx, client.Sector, authz.Pairwise(hint.Subject))
	}
	if errors.Is(err, authz.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", authz.AsError(err)
	}
	return subject, nil
}

// subjectByNumber finds the holder of a personal number of twelve digits.
func (d *Doors) subjectByNumber(ctx context.Context, number, parameter string) (authz.Subject, error) {
	if !numberForm.MatchString(number) {
		return "", authz.NewError(authz.UnknownUserID, "%s is not a personal number of 12 digits", parameter).At(parameter)
	}
	return d.o.People.SubjectOfNumber(ctx, authz.PersonalNumber(number))
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

func (d *Doors) hintToken(ctx context.Context, token string, client *clientauth.Registered) (authz.Subject, error) {
	bad := func(format string, args ...any) (authz.Subject, error) {
		return "", authz.NewError(authz.InvalidRequest, "login_hint_token: "+format, args...).At("login_hint_token")
	}
	claims, err := d.o.Objects.VerifiedBy(ctx, client, token, "")
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
	now, expires := d.o.Now(), time.Unix(hint.Expires, 0)
	switch {
	case hint.Issuer != string(client.ID) || hint.Subject != "":
		// Without sub, so that a client assertion is no hint.
		return bad("iss must be the client_id, and the person stands in sub_id, not in sub")
	case len(hint.Audience) != 1 || hint.Audience[0] != d.o.URLs.Issuer:
		return bad("aud must be the issuer %s", d.o.URLs.Issuer)
	case hint.Expires == 0 || expires.After(now.Add(hintLife)):
		return bad("exp is missing or more than 10 minutes ahead")
	case !now.Before(expires):
		return "", authz.NewError(authz.ExpiredLoginHintToken, "login_hint_token has expired; make a new one").At("login_hint_token")
	}
	switch hint.Who.Format {
	case "opaque":
		return d.subjectByNumber(ctx, hint.Who.ID, "login_hint_token")
	case "iss_sub":
		if hint.Who.Issuer != d.o.URLs.Issuer {
			return "", authz.ErrNotFound
		}
		return d.o.People.SubjectOfPairwise(ctx, client.Sector, hint.Who.Subject)
	}
	return "", authz.NewError(authz.UnknownUserID,
		"login_hint_token: sub_id must be of format opaque or iss_sub (RFC 9493)").At("login_hint_token")
}
