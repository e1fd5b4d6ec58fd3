package endpoint

import (
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/registration"
)

// answer is the client information response, RFC 7591 §3.2.1 and RFC 7592 §3:
// everything that is registered, defaults included.
type answer struct {
	registration.Metadata
	ClientID string `json:"client_id"`
	// Secret is shown when it is made and never again: only its hash is kept.
	Secret          string `json:"client_secret,omitempty"`
	SecretExpiresAt *int64 `json:"client_secret_expires_at,omitempty"`
	IssuedAt        int64  `json:"client_id_issued_at"`
	Token           string `json:"registration_access_token"`
	URI             string `json:"registration_client_uri"`
}

func (e *Endpoint) answer(c *authz.Client, kept registration.Registration, token, secret string) answer {
	a := answer{
		Metadata: registration.Of(c), ClientID: string(c.ID), Secret: secret, IssuedAt: c.CreatedAt.Unix(), Token: token,
		URI: e.URL() + "/" + string(c.ID),
	}
	a.Statement = kept.Statement
	// An operator's words, which an update must not carry.
	a.Sector, a.Introspect, a.Resources, a.TokenExchange, a.MayAct, a.TrustedIssuers = "", nil, nil, nil, "", nil
	if len(c.SecretHash) > 0 {
		at := int64(0) // RFC 7591 §3.2.1: never
		if !c.SecretExpires.IsZero() {
			at = c.SecretExpires.Unix()
		}
		a.SecretExpiresAt = &at
	}
	return a
}

func write(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache") // RFC 7591 §3.2.1
	w.WriteHeader(status)
	// The app may be gone; nobody is left to tell.
	_ = json.NewEncoder(w).Encode(body)
}

// maxBody bounds a request: the metadata, and a statement inside.
const maxBody = 112 << 10

// body reads a JSON document.
func body(r *http.Request) ([]byte, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, authz.NewError(authz.InvalidRequest, "send Content-Type: application/json (RFC 7591 §3.1)")
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, authz.NewError(authz.InvalidRequest, "the body could not be read").Because(err)
	}
	if len(raw) > maxBody {
		return nil, authz.NewError(authz.InvalidClientMetadata, "the body is longer than %d bytes", maxBody)
	}
	return raw, nil
}

// bearer reads RFC 6750 §2.1, the only way a token comes here; empty if none.
func bearer(r *http.Request) (string, error) {
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	if len(header) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > 256 || strings.ContainsAny(token, " ,") {
		return "", authz.NewError(authz.InvalidRequest, "the Authorization header is malformed; send one Bearer token (RFC 6750 §2.1)")
	}
	return token, nil
}

var errMethod = authz.NewError(authz.InvalidRequest, "this URL does not take that method (RFC 7591 §3, RFC 7592 §2)")

// tooMany is 429 and says when to come back.
func tooMany(wait time.Duration) *authz.Error {
	e := authz.NewError(authz.TemporarilyUnavailable, "too many registrations from here; wait and try again")
	e.RetryAfter = max(time.Second, wait.Round(time.Second))
	return e
}

// writeError answers an error of RFC 7591 §3.2.2, RFC 7592 §2 and RFC 6750 §3.
func (e *Endpoint) writeError(w http.ResponseWriter, r *http.Request, err error) {
	refusal := authz.AsError(err)
	status, level := http.StatusBadRequest, slog.LevelInfo
	switch {
	case err == errMethod:
		status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", allowed(r))
	case refusal.Code == authz.InvalidToken:
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", challenge(r, refusal))
	case refusal.Code == authz.AccessDenied:
		status = http.StatusForbidden
	case refusal.Code == authz.TemporarilyUnavailable && refusal.Cause == nil:
		status = http.StatusTooManyRequests
	case refusal.Code == authz.TemporarilyUnavailable:
		status, level = http.StatusServiceUnavailable, slog.LevelError
	case refusal.Code == authz.ServerError:
		status, level = http.StatusInternalServerError, slog.LevelError
	}
	cause := ""
	if refusal.Cause != nil {
		cause = refusal.Cause.Error()
	}
	slog.Log(r.Context(), level, "refused", "endpoint", Path, "error", refusal.Code, "parameter", refusal.Parameter, "cause", cause)
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(refusal.RetryAfter.Seconds())))
	}
	write(w, status, refusal.Body())
}

func allowed(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, Path+"/") {
		return "GET, PUT, DELETE"
	}
	return "POST"
}

// challenge names no error where no token came (RFC 6750 §3.1).
func challenge(r *http.Request, refusal *authz.Error) string {
	if r.Header.Get("Authorization") == "" {
		return `Bearer realm="registration"`
	}
	return refusal.Challenge(`Bearer realm="registration"`)
}

// useLimit lets each initial access token register so many apps a minute.
type useLimit struct {
	mu     sync.Mutex
	minute int64
	uses   map[string]int
}

const usesAMinute = 60

func (l *useLimit) take(id string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if minute := now.Unix() / 60; minute != l.minute || l.uses == nil {
		l.minute, l.uses = minute, map[string]int{}
	}
	l.uses[id]++
	return l.uses[id] <= usesAMinute
}
