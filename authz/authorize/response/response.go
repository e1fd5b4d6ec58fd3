package response

import (
	"context"
	"net/url"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
)

// Next is where the browser goes: to a page of ours, or back to the app.
type Next struct {
	// Location is where to redirect with 303 (FAPI 2.0 SP §5.3.2.2); empty
	// when Form is set.
	Location string
	// Form is the answer to post to the app, for response_mode=form_post.
	Form *FormPost
	// Lang is the first of ui_locales that we speak, or empty.
	Lang string
	// BrowserState is for the cookie that the frame of session management reads;
	// empty for an app that has not registered for it.
	BrowserState string
	// Waits is the request that the page at Location is for, where that page is a sign-in of
	// somebody who is not signed in; else nil.
	Waits *Waits
}

// Waits is what the page of a sign-in shows of a request that waits, which saves it the
// reading. It decides nothing: the request is read when it goes on.
type Waits struct {
	ID      grant.Handle
	Client  authz.ClientID
	Expires time.Time
}

// FormPost is an answer for OAuth 2.0 Form Post Response Mode.
type FormPost struct {
	Action string
	Fields url.Values
	// Client is the app it goes to, for the page that carries it.
	Client *authz.Client
}

// Responder makes authorization responses. It is safe for concurrent use.
type Responder struct {
	Signer *token.Signer
	// BrowserState is the value of the cookie that the frame of session management
	// reads.
	BrowserState func(session authz.SessionID) string
	Now          func() time.Time
}

// responseLife is how long a signed response may be used: JARM §2.1 recommends no
// more than 10 minutes.
const responseLife = 5 * time.Minute

// Answer builds the authorization response: state as it came, and iss always
// (RFC 9207 §2); in a mode of JARM all of it in a signed JWT. Errors are
// *authz.Error, and nothing was written.
func (r *Responder) Answer(ctx context.Context, a request.Authorization, parameters url.Values) (Next, error) {
	if a.State != "" {
		parameters.Set("state", a.State)
	}
	parameters.Set("iss", r.Signer.Issuer)
	mode, jarm := strings.CutSuffix(a.ResponseMode, "jwt")
	client, err := r.Signer.Directory.Client(ctx, a.ClientID)
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	if jarm {
		response, err := r.signed(ctx, client, parameters)
		if err != nil {
			return Next{}, err
		}
		parameters = url.Values{"response": {response}}
		mode = strings.TrimSuffix(mode, ".")
		switch { // JARM §2.3.4: jwt alone is the default of the response type
		case mode == "" && a.FrontChannel():
			mode = "fragment"
		case mode == "":
			mode = "query"
		}
	}
	lang := authz.Language(a.UILocales...)
	switch mode {
	case "form_post":
		return Next{Form: &FormPost{Action: a.RedirectURI, Fields: parameters, Client: client.Client}, Lang: lang}, nil
	case "fragment":
		return Next{Location: a.RedirectURI + "#" + parameters.Encode(), Lang: lang}, nil
	}
	return Next{Location: protocol.WithQuery(a.RedirectURI, parameters.Encode()), Lang: lang}, nil
}

// signed is JARM §2.1: the parameters
// as claims, with iss, aud and exp, signed and, if the app registered so,
// encrypted.
func (r *Responder) signed(ctx context.Context, client *clientauth.Registered, parameters url.Values) (string, error) {
	claims := map[string]any{"iss": r.Signer.Issuer, "aud": client.ID, "exp": r.Now().Add(responseLife).Unix()}
	for name := range parameters {
		claims[name] = parameters.Get(name)
	}
	signed, err := r.Signer.Sign(ctx, token.OrES256(client.AuthorizationAlg), "JWT", claims)
	if err != nil {
		return "", err
	}
	return r.Signer.EncryptedFor(ctx, client, client.AuthorizationEncryption, signed)
}
