package protocol

import (
	"mime"
	"net/http"
	"net/url"

	"hopnhat/authz"
	"hopnhat/authz/request"
)

// PostForm reads the body of a client's request: POST, form-encoded, bounded,
// no parameter in the URL and none twice.
func PostForm(r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		return nil, authz.NewError(authz.InvalidRequest, "this endpoint takes POST")
	}
	if r.URL.RawQuery != "" {
		return nil, authz.NewError(authz.InvalidRequest, "parameters belong in the body, not in the URL (RFC 6749 §2.3.1)")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, authz.NewError(authz.InvalidRequest, "send Content-Type: application/x-www-form-urlencoded")
	}
	return request.ReadForm(r)
}

// BrowserForm reads what a browser sends, the query of a GET or the form in the body of a
// POST, bounded, no parameter twice (OpenID Connect Core §3.1.2.1). ok is false for any
// other method.
func BrowserForm(r *http.Request) (form url.Values, ok bool, err error) {
	switch r.Method {
	case http.MethodGet:
		form, err = request.ParseQuery(r.URL.RawQuery)
	case http.MethodPost:
		form, err = request.ReadForm(r)
	default:
		return nil, false, nil
	}
	return form, true, err
}
