package provider

import (
	"context"
	"net/url"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// responseLife is how long a signed response may be used: JARM §2.1 recommends no
// more than 10 minutes.
const responseLife = 5 * time.Minute

// answer builds the authorization response: state as it came, and iss always
// (RFC 9207 §2); in a mode of JARM all of it in a signed JWT. Errors are
// *authz.Error, and nothing was written.
func (p *Provider) answer(ctx context.Context, a request.Authorization, parameters url.Values) (Next, error) {
	if a.State != "" {
		parameters.Set("state", a.State)
	}
	parameters.Set("iss", p.o.Issuer)
	mode, signed := strings.CutSuffix(a.ResponseMode, "jwt")
	client, err := p.o.Directory.Client(ctx, a.ClientID)
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	if signed {
		response, err := p.signedResponse(ctx, client, parameters)
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
	separator := "?"
	if strings.Contains(a.RedirectURI, "?") {
		separator = "&" // RFC 6749 §3.1.2: the registered query is kept
	}
	return Next{Location: a.RedirectURI + separator + parameters.Encode(), Lang: lang}, nil
}

// signedResponse is JWT Secured Authorization Response Mode §2.1: the parameters
// as claims, with iss, aud and exp, signed and, if the app registered so,
// encrypted.
func (p *Provider) signedResponse(ctx context.Context, client *clientauth.Registered, parameters url.Values) (string, error) {
	claims := map[string]any{"iss": p.o.Issuer, "aud": client.ID, "exp": p.now().Add(responseLife).Unix()}
	for name := range parameters {
		claims[name] = parameters.Get(name)
	}
	signed, err := jose.Sign(ctx, p.o.Ring, jose.Token{
		Use: keys.TokenSigning, Algorithm: token.OrES256(client.AuthorizationAlg), Type: "JWT", Claims: claims,
	})
	if err != nil {
		return "", token.KeysError(err)
	}
	return p.signer.EncryptedFor(ctx, client, client.AuthorizationEncryption, signed[0])
}
