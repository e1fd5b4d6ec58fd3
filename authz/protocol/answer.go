package protocol

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"hopnhat/authz"
	"hopnhat/authz/tally"
)

// StatusOf is the one table from error codes to HTTP statuses of JSON answers.
func StatusOf(code authz.Code) int {
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

// WriteJSON answers with a body that must not be kept (RFC 6749 §5.1).
func WriteJSON(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The client may be gone; nobody is left to tell.
	_ = json.NewEncoder(w).Encode(body)
}

// WriteJWT answers with a JWT of a media type.
func WriteJWT(w http.ResponseWriter, media, token string) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store")
	// The client may be gone; nobody is left to tell.
	_, _ = io.WriteString(w, token)
}

// ErrTooMany means that an address makes us keep too much.
var ErrTooMany = errors.New("too many requests from this address")

// Refusals answers errors of the endpoints and counts them. It is safe for concurrent
// use.
type Refusals struct {
	// Nonce makes a fresh DPoP nonce (RFC 9449 §8).
	Nonce  func() string
	counts tally.Counter[authz.Code]
}

// Write answers an error at an endpoint that a client calls. A client that tried Basic
// is told the scheme (RFC 6749 §5.2).
func (f *Refusals) Write(w http.ResponseWriter, r *http.Request, err error) {
	refusal := authz.AsError(err)
	f.Log(r, refusal)
	if refusal.Code == authz.InvalidClient && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="hopnhat"`)
	}
	f.Headers(w, refusal)
	WriteJSON(w, StatusOf(refusal.Code), refusal.Body())
}

// Headers sets what a client needs to try again: a nonce (RFC 9449 §8), or the time.
func (f *Refusals) Headers(w http.ResponseWriter, refusal *authz.Error) {
	if refusal.Code == authz.UseDPoPNonce {
		w.Header().Set("DPoP-Nonce", f.Nonce())
	}
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(refusal.RetryAfter.Seconds())))
	}
}

// Log counts a refusal and writes it to the log.
func (f *Refusals) Log(r *http.Request, refusal *authz.Error) {
	f.Count(refusal.Code)
	level := slog.LevelInfo
	if refusal.Code == authz.ServerError || refusal.Code == authz.TemporarilyUnavailable && !errors.Is(refusal.Cause, ErrTooMany) {
		level = slog.LevelError
	}
	slog.Log(r.Context(), level, "refused", "endpoint", r.URL.Path, "error", refusal.Code,
		"description", refusal.Description, "cause", causeText(refusal.Cause))
}

// Count counts a refusal that goes back to an app through the browser.
func (f *Refusals) Count(code authz.Code) { f.counts.Add(code) }

// All are the numbers of refusals by their code.
func (f *Refusals) All() map[authz.Code]uint64 { return f.counts.All() }

func causeText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
