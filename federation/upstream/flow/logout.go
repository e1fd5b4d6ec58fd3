package flow

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/protocol"
	"hopnhat/authz/session"
	"hopnhat/federation/upstream"
)

// Ended does what a logout token says (Back-Channel Logout §2.7): it ends
// the sessions here that began by the person's sign-in there. A token that names nobody here is
// good, and ends nothing. ended says how many sessions did. After an error of the store the token
// is good still, and may be sent again.
func (e *Engine) Ended(ctx context.Context, p *upstream.Provider, token string) (ended int, err error) {
	end, err := e.o.Providers.Ended(ctx, p, token)
	if err != nil {
		return 0, err
	}
	once := clientauth.Assertion{Digest: authz.HashSecret("upstream logout " + p.Issuer + " " + end.ID), Expires: end.Expires}
	used, err := e.o.Store.Taken(ctx, once.Digest)
	switch {
	case err != nil:
		return 0, err
	case used:
		return 0, errUsed
	}
	those := e.named(p, end)
	// There may be very many: each ends in a commit of its own, and what began meanwhile with the
	// token being spent. Of two that bring one token at once both do this, and one is refused.
	if ended, err = e.end(ctx, those, "", session.ByProvider); err != nil {
		return ended, err
	}
	err = e.o.Store.Tx(ctx, func(ctx context.Context) error {
		if err := e.o.Store.Spend(ctx, once); err != nil {
			return err
		}
		more, err := e.end(ctx, those, "", session.ByProvider)
		ended += more
		return err
	})
	if errors.Is(err, authz.ErrConflict) {
		err = errUsed
	}
	return ended, err
}

// errUsed is of a token that was taken before (Back-Channel Logout §2.6 (8)).
var errUsed = refused(upstream.Untrue, "Back-Channel Logout §2.6 (8): the token was used before")

// named lists the sessions that a logout token names: those of the person there, by whichever of
// her links; of one session there if it names one; and where it names no person those of that
// session.
func (e *Engine) named(p *upstream.Provider, end upstream.End) func(ctx context.Context) ([]Begun, error) {
	return func(ctx context.Context) ([]Begun, error) {
		if end.Subject == "" {
			return e.o.Store.SessionsThere(ctx, p.Alias, end.Session)
		}
		return e.o.Store.SessionsOf(ctx, p.Issuer, end.Subject, end.Session)
	}
}

// SignedOut is the provider by which a session began, and where the browser is signed out there
// as well (RP-Initiated Logout §2); nil where it began by none, or by one
// that has no such endpoint or does not answer. The session may have ended.
func (e *Engine) SignedOut(ctx context.Context, id authz.SessionID) (*upstream.Provider, string) {
	b, err := e.o.Store.BegunBy(ctx, id)
	if err != nil {
		return nil, ""
	}
	p := e.Provider(b.Alias)
	if p == nil {
		return nil, ""
	}
	m, err := e.o.Providers.Metadata(ctx, p)
	if err != nil || m.EndSessionEndpoint == "" {
		return nil, ""
	}
	return p, p.SignOut(m, e.o.Issuer+SignedOutPath)
}

// maxForm bounds the body of a logout request, in bytes.
const maxForm = 32 << 10

// ServeLogout takes the logout tokens of providers (Back-Channel Logout
// §2.5), as many of an address as limit lets it send. queued is called when sessions have
// ended, and apps are to be told.
func (e *Engine) ServeLogout(limit Addresses, queued func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store") // §2.8
		address, _ := netip.ParseAddr(r.RemoteAddr) // one that cannot be read is one for all
		alias, is := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, Prefix), logoutPath)
		p := e.Provider(upstream.Alias(alias))
		switch {
		case !is || p == nil:
			http.NotFound(w, r)
			return
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		case limit.Take(address) > 0:
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many logout tokens", http.StatusTooManyRequests)
			return
		}
		raw, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
		form, parsed := url.ParseQuery(string(raw))
		if err != nil || parsed != nil || len(raw) > maxForm || len(form["logout_token"]) != 1 {
			refuseLogout(w, http.StatusBadRequest, "§2.5: send one logout_token as a form")
			return
		}
		ended, err := e.Ended(r.Context(), p, form.Get("logout_token"))
		if ended > 0 {
			queued()
		}
		var refusal *upstream.Refusal
		switch {
		case err == nil: // §2.8: 200 OK
		case errors.As(err, &refusal) && refusal.Reason != upstream.Silent:
			slog.InfoContext(r.Context(), "a logout token was refused", "provider", p.Alias, "why", err.Error())
			refuseLogout(w, http.StatusBadRequest, refusal.Why)
		default:
			slog.ErrorContext(r.Context(), "a logout token could not be followed", "provider", p.Alias, "error", err)
			refuseLogout(w, http.StatusServiceUnavailable, "try again later")
		}
	}
}

// Addresses limits what one address may send.
type Addresses interface {
	// Take counts a request, and returns how long to wait where it is one too many.
	Take(address netip.Addr) time.Duration
}

// refuseLogout answers an error as RFC 6749 §5.2 has it (§2.8).
func refuseLogout(w http.ResponseWriter, status int, why string) {
	protocol.WriteJSON(w, status, map[string]string{"error": "invalid_request", "error_description": why})
}
