package provider

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"hopnhat/authz"
	"hopnhat/authz/request"
)

// statusOf is the one table from error codes to HTTP statuses of JSON answers.
func statusOf(code authz.Code) int {
	switch code {
	case authz.InvalidClient, authz.InvalidToken:
		return http.StatusUnauthorized
	case authz.InsufficientScope:
		return http.StatusForbidden
	case authz.ServerError:
		return http.StatusInternalServerError
	case authz.TemporarilyUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

// writeJSON answers with a body that must not be kept (RFC 6749 §5.1).
func writeJSON(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The client may be gone; nobody is left to tell.
	_ = json.NewEncoder(w).Encode(body)
}

// writeJWT answers with a JWT of a media type.
func writeJWT(w http.ResponseWriter, media, token string) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store")
	// The client may be gone; nobody is left to tell.
	_, _ = io.WriteString(w, token)
}

// refuse answers a refusal of an endpoint that a client calls. A client that
// tried Basic is told the scheme (RFC 6749 §5.2).
func (p *Provider) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal := authz.AsError(err)
	p.log(r, refusal)
	if refusal.Code == authz.InvalidClient && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="hopnhat"`)
	}
	if refusal.Code == authz.UseDPoPNonce {
		w.Header().Set("DPoP-Nonce", p.o.Proofs.Nonce())
	}
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(refusal.RetryAfter.Seconds())))
	}
	writeJSON(w, statusOf(refusal.Code), refusal.Body())
}

// refuseBearer answers at a protected resource, RFC 6750 §3 and RFC 9449 §7.1.
func (p *Provider) refuseBearer(w http.ResponseWriter, r *http.Request, err error) {
	refusal := authz.AsError(err)
	p.log(r, refusal)
	status := statusOf(refusal.Code)
	switch refusal.Code {
	case authz.InvalidDPoPProof, authz.UseDPoPNonce:
		status = http.StatusUnauthorized
	}
	if refusal.Code == authz.UseDPoPNonce {
		w.Header().Set("DPoP-Nonce", p.o.Proofs.Nonce())
	}
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(refusal.RetryAfter.Seconds())))
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		p.challenge(w, r, refusal)
	}
	if errors.Is(refusal, authz.ErrNoToken) {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status) // RFC 6750 §3.1: without an error
		return
	}
	writeJSON(w, status, refusal.Body())
}

// The schemes of challenges.
const (
	schemeDPoP   = `DPoP algs="ES256 EdDSA PS256"`
	schemeBearer = "Bearer"
)

// challenge is the WWW-Authenticate of RFC 6750 §3 and RFC 9449 §7.1, with where
// to read what the resource wants (RFC 9728 §5.1).
func (p *Provider) challenge(w http.ResponseWriter, r *http.Request, refusal *authz.Error, more ...authz.Attribute) {
	if at := p.resourceMetadataAt(r.URL.Path); at != "" {
		more = append(more, authz.Attribute{Name: "resource_metadata", Value: at})
	}
	for _, scheme := range []string{schemeDPoP, schemeBearer} {
		w.Header().Add("WWW-Authenticate", refusal.Challenge(scheme, more...))
	}
}

// refuseStepUp asks for a sign-in at a higher level, RFC 9470 §3.
func (p *Provider) refuseStepUp(w http.ResponseWriter, r *http.Request, acr string) {
	refusal := authz.Refuse(authz.InsufficientAuthentication, "the person must sign in at a higher level")
	p.log(r, refusal)
	p.challenge(w, r, refusal, authz.Attribute{Name: "acr_values", Value: acr})
	writeJSON(w, http.StatusUnauthorized, refusal.Body())
}

func (p *Provider) log(r *http.Request, refusal *authz.Error) {
	p.refused.Add(refusal.Code)
	level := slog.LevelInfo
	if refusal.Code == authz.ServerError || refusal.Code == authz.TemporarilyUnavailable && !errors.Is(refusal.Cause, ErrTooMany) {
		level = slog.LevelError
	}
	slog.Log(r.Context(), level, "refused", "endpoint", r.URL.Path, "error", refusal.Code,
		"description", refusal.Description, "cause", causeText(refusal.Cause))
}

// Refused counts refusals at endpoints and resources and those that go back to an app,
// by their code.
func (p *Provider) Refused() map[authz.Code]uint64 { return p.refused.All() }

func causeText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// postForm reads the body of a client's request: POST, form-encoded, bounded,
// no parameter in the URL and none twice.
func postForm(r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		return nil, authz.Refuse(authz.InvalidRequest, "this endpoint takes POST")
	}
	if r.URL.RawQuery != "" {
		return nil, authz.Refuse(authz.InvalidRequest, "parameters belong in the body, not in the URL (RFC 6749 §2.3.1)")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, authz.Refuse(authz.InvalidRequest, "send Content-Type: application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, request.MaxForm+1))
	if err != nil {
		return nil, authz.Refuse(authz.InvalidRequest, "the body could not be read").Because(err)
	}
	return request.ParseForm(string(body))
}

// isRefusal reports whether err already is an OAuth error for the caller; any other is
// a fault of ours.
func isRefusal(err error) bool {
	var refusal *authz.Error
	return errors.As(err, &refusal)
}
