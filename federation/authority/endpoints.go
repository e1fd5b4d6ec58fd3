package authority

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/protocol"
	"hopnhat/federation"
	"hopnhat/federation/approval"
	"hopnhat/federation/caller"
	"hopnhat/federation/enrol"
	"hopnhat/federation/fetch"
	"hopnhat/federation/mark"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Bounds on a request and on lists.
const (
	maxForm = 64 << 10
	page    = 1000
	maxList = 20_000
)

// Code is an error code of §8.9.
type Code string

// The codes that are answered here.
const (
	InvalidRequest       Code = "invalid_request"
	NotFound             Code = "not_found"
	ServerError          Code = "server_error"
	InvalidClient        Code = "invalid_client"
	Unavailable          Code = "temporarily_unavailable"
	UnsupportedParameter Code = "unsupported_parameter"
	InvalidAnchor        Code = "invalid_trust_anchor"
	InvalidChain         Code = "invalid_trust_chain"
	InvalidMetadata      Code = "invalid_metadata"
)

// statuses are the HTTP statuses of the codes (§8.9).
var statuses = map[Code]int{
	InvalidRequest: http.StatusBadRequest, NotFound: http.StatusNotFound, ServerError: http.StatusInternalServerError,
	InvalidClient: http.StatusUnauthorized, Unavailable: http.StatusServiceUnavailable, UnsupportedParameter: http.StatusBadRequest,
	InvalidAnchor: http.StatusNotFound, InvalidChain: http.StatusBadRequest, InvalidMetadata: http.StatusBadRequest,
}

// Error is a refusal of an endpoint.
type Error struct {
	Code Code
	// Text is error_description: what happened, to what, and what to do.
	Text string
}

// Error says both.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Text }

func refuse(code Code, text string) error { return &Error{code, text} }

// answer is what an endpoint gives: a document of a media type.
type answer struct {
	media string
	body  any // a string is a JWT, everything else JSON
}

// endpoint is a row of the table of endpoints. method is that of a request in which nobody proves
// who asks.
type endpoint struct {
	path, method string
	serve        func(ctx context.Context, form url.Values) (answer, error)
}

func (a *Authority) table() []endpoint {
	return []endpoint{
		{ConfigurationPath, http.MethodGet, a.serveConfiguration},
		{FetchPath, http.MethodGet, a.serveFetch},
		{ListPath, http.MethodGet, a.serveList},
		{ResolvePath, http.MethodGet, a.serveResolve},
		{MarkPath, http.MethodGet, a.serveMark},
		{MarkStatusPath, http.MethodPost, a.serveStatus},
		{MarkListPath, http.MethodGet, a.serveMarkList},
		{HistoryPath, http.MethodGet, a.serveHistory},
		{EventsPath, http.MethodGet, a.serveEvents},
	}
}

// Handlers are the endpoints by their paths.
func (a *Authority) Handlers() map[string]http.HandlerFunc {
	all := map[string]http.HandlerFunc{}
	for _, e := range a.table() {
		if a.o.has(e.path) {
			all[e.path] = a.handler(e)
		}
	}
	return all
}

func (a *Authority) handler(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := a.limited(w, r)
		var form url.Values
		if err == nil {
			form, err = read(w, r, e.methods(a.o.Authentication[e.path])...)
		}
		var got answer
		if err == nil {
			got, err = a.work(r.Context(), w, e, r.Method, form)
		}
		if err != nil {
			writeError(w, r, err)
			return
		}
		if token, ok := got.body.(string); ok {
			protocol.WriteJWT(w, got.media, token)
			return
		}
		protocol.WriteJSON(w, http.StatusOK, got.body)
	}
}

// methods are those of an endpoint: who proves who asks sends a POST (§8.8).
func (e endpoint) methods(mode caller.Mode) []string {
	switch {
	case mode == caller.Required:
		return []string{http.MethodPost}
	case mode == caller.Optional && e.method != http.MethodPost:
		return []string{e.method, http.MethodPost}
	}
	return []string{e.method}
}

// read takes the parameters of a request. A method has its parameters where §8 says, and nowhere
// else.
func read(w http.ResponseWriter, r *http.Request, methods ...string) (url.Values, error) {
	if !slices.Contains(methods, r.Method) {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		return nil, errMethod
	}
	if r.Method == http.MethodGet {
		form, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, refuse(InvalidRequest, "The query is not application/x-www-form-urlencoded.")
		}
		if caller.Tried(form) {
			return nil, refuse(InvalidRequest, "Client authentication is sent in the body of a POST (§8.8).")
		}
		return form, nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, refuse(InvalidRequest, "The body has to be application/x-www-form-urlencoded.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, refuse(InvalidRequest, "The body cannot be read, or is longer than 64 kB.")
	}
	return r.PostForm, nil
}

var errMethod = errors.New("the method is not that of the endpoint")

// writeError is the one place where an error becomes an answer (§8.9). What is not a refusal
// is ours, and its text stays here.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, refusal := 0, (*Error)(nil)
	switch {
	case errors.Is(err, errMethod):
		status, refusal = http.StatusMethodNotAllowed, &Error{InvalidRequest, "The endpoint is asked with " + w.Header().Get("Allow") + "."}
	case err == errTooMany:
		status, refusal = http.StatusTooManyRequests, errTooMany
	case errors.As(err, &refusal):
		if status = statuses[refusal.Code]; refusal.Code == InvalidClient {
			challenge(w)
		}
	case errors.Is(err, approval.ErrUnexplained):
		refusal = &Error{Unavailable, "The record of the entity is not as its evidence says. Its superior has to look at it."}
		status = statuses[refusal.Code]
		slog.ErrorContext(r.Context(), "nothing is signed", "error", err)
	default:
		refusal = &Error{ServerError, "The server could not answer. Try again later."}
		if _, outage := keys.CauseOf(err); outage {
			refusal = &Error{Unavailable, "The keys cannot be used at present. Try again later."}
			w.Header().Set("Retry-After", "30")
		}
		status = statuses[refusal.Code]
		slog.ErrorContext(r.Context(), "an endpoint of the federation could not answer", "path", r.URL.Path, "error", err)
	}
	protocol.WriteJSON(w, status, map[string]string{"error": string(refusal.Code), "error_description": refusal.Text})
}

// one is a parameter that comes once (RFC 6749 §3.1).
func one(form url.Values, name string, required bool) (string, error) {
	values := form[name]
	switch {
	case len(values) > 1:
		return "", refuse(InvalidRequest, "The parameter "+name+" comes more than once.")
	case required && (len(values) == 0 || values[0] == ""):
		return "", refuse(InvalidRequest, "The parameter "+name+" is missing.")
	case len(values) == 0:
		return "", nil
	}
	return values[0], nil
}

// entity is a parameter that names an entity; empty if it may be missing and is.
func entity(form url.Values, name string, required bool) (federation.EntityID, error) {
	text, err := one(form, name, required)
	if err != nil || text == "" {
		return "", err
	}
	id, err := federation.ParseEntityID(text)
	if err != nil {
		return "", refuse(InvalidRequest, "The parameter "+name+" is not an entity identifier, a URL with https.")
	}
	return id, nil
}

func (a *Authority) serveConfiguration(ctx context.Context, _ url.Values) (answer, error) {
	token, err := a.Configuration(ctx)
	return answer{fetch.MediaType, token}, err
}

func (a *Authority) serveHistory(ctx context.Context, _ url.Values) (answer, error) {
	token, err := a.history(ctx)
	return answer{"application/" + historyType, token}, err
}

// serveFetch is §8.1.
func (a *Authority) serveFetch(ctx context.Context, form url.Values) (answer, error) {
	id, err := entity(form, "sub", true)
	if err != nil {
		return answer{}, err
	}
	if id == a.o.ID {
		return answer{}, refuse(InvalidRequest, "The configuration of this entity is at "+a.o.at(ConfigurationPath)+".")
	}
	s, err := a.o.Registry.Subordinate(ctx, id)
	if errors.Is(err, authz.ErrNotFound) || err == nil && !s.InForce(a.o.Now()) {
		return answer{}, refuse(NotFound, "The entity is not a subordinate of this one.")
	}
	if err != nil {
		return answer{}, err
	}
	token, err := a.statementOf(ctx, s)
	return answer{fetch.MediaType, token}, err
}

// flag is a boolean parameter; wanted is false where it is missing or "false".
func flag(form url.Values, name string) (wanted bool, err error) {
	text, err := one(form, name, false)
	if err == nil && text != "" && text != "true" && text != "false" {
		err = refuse(InvalidRequest, "The parameter "+name+" is true or false.")
	}
	return text == "true", err
}

// serveList is §8.2. Of several entity types, a subordinate has to have all (§8.2.1).
func (a *Authority) serveList(ctx context.Context, form url.Values) (answer, error) {
	marked, err1 := flag(form, "trust_marked")
	intermediate, err2 := flag(form, "intermediate")
	_, byKind := form["trust_mark_type"]
	kind, err3 := one(form, "trust_mark_type", byKind)
	if err := errors.Join(err1, err2, err3); err != nil {
		return answer{}, err
	}
	var holders map[federation.EntityID]bool
	if marked || byKind {
		var err error
		if holders, err = a.holders(ctx, kind, ""); err != nil {
			return answer{}, err
		}
	}
	all, err := a.everybody(ctx)
	if err != nil {
		return answer{}, err
	}
	ids := []federation.EntityID{}
	now := a.o.Now()
	for _, s := range all {
		typed := !slices.ContainsFunc(form["entity_type"], func(t string) bool {
			return !slices.Contains(s.types,
				federation.EntityType(t))
		})
		if now.Before(s.until) && typed && (!intermediate || s.intermediate) && (holders == nil || holders[s.id]) {
			ids = append(ids, s.id)
		}
	}
	return answer{"", ids}, nil
}

// listed is what a list needs of a subordinate that is active.
type listed struct {
	id           federation.EntityID
	types        []federation.EntityType
	intermediate bool
	until        time.Time
}

// everybody are the active subordinates, read at most once in some seconds, by one of all who
// ask.
func (a *Authority) everybody(ctx context.Context) ([]listed, error) {
	if all, _, ok := a.listed.Get(struct{}{}); ok {
		return all, nil
	}
	got, err, _ := a.flights.Do("everybody", func() (any, error) {
		began := a.o.Now()
		all := []listed{}
		for after, n := federation.EntityID(""), 0; n < maxList; {
			list, err := a.o.Registry.Subordinates(context.WithoutCancel(ctx), after, page)
			if err != nil {
				return nil, err
			}
			for _, s := range list {
				if after = s.ID; s.State == enrol.Active {
					all = append(all, listed{s.ID, s.Terms.Types, s.Terms.Intermediate, s.Terms.Until})
				}
			}
			if n += len(list); len(list) < page {
				break
			}
		}
		a.listed.Put(struct{}{}, all, began)
		return all, nil
	})
	all, _ := got.([]listed)
	return all, err
}

// holders are those with an active mark of a type, of any if it is empty; only one of them if
// it is named.
func (a *Authority) holders(ctx context.Context, kind string, only federation.EntityID) (map[federation.EntityID]bool, error) {
	all := map[federation.EntityID]bool{}
	now := a.o.Now()
	if only != "" {
		m, err := a.o.Registry.Mark(ctx, kind, only)
		if err == nil && m.Status(now) == mark.Active {
			all[only] = true
		}
		if errors.Is(err, authz.ErrNotFound) {
			err = nil
		}
		return all, err
	}
	for after := federation.EntityID(""); len(all) < maxList; {
		list, err := a.o.Registry.Holders(ctx, kind, now, after, page)
		if err != nil {
			return nil, err
		}
		for _, id := range list {
			all[id], after = true, id
		}
		if len(list) < page {
			break
		}
	}
	return all, nil
}

// serveMarkList is §8.5.
func (a *Authority) serveMarkList(ctx context.Context, form url.Values) (answer, error) {
	kind, err := one(form, "trust_mark_type", true)
	if err != nil {
		return answer{}, err
	}
	only, err := entity(form, "sub", false)
	if err != nil {
		return answer{}, err
	}
	holders, err := a.holders(ctx, kind, only)
	if err != nil {
		return answer{}, err
	}
	ids := make([]federation.EntityID, 0, len(holders))
	for id := range holders {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return answer{"", ids}, nil
}

// serveMark is §8.6.
func (a *Authority) serveMark(ctx context.Context, form url.Values) (answer, error) {
	kind, err := one(form, "trust_mark_type", true)
	if err != nil {
		return answer{}, err
	}
	subject, err := entity(form, "sub", true)
	if err != nil {
		return answer{}, err
	}
	m, err := a.o.Registry.Mark(ctx, kind, subject)
	if errors.Is(err, authz.ErrNotFound) || err == nil && m.Status(a.o.Now()) != mark.Active {
		return answer{}, refuse(NotFound, "The entity does not have this trust mark.")
	}
	if err != nil {
		return answer{}, err
	}
	token, err := a.Mark(ctx, m)
	return answer{"application/" + mark.Type, token}, err
}

// serveStatus is §8.4. Only a mark that we signed, and that is on record, has a status; of all
// else nothing is known (§8.4.2).
func (a *Authority) serveStatus(ctx context.Context, form url.Values) (answer, error) {
	token, err := one(form, "trust_mark", true)
	if err != nil {
		return answer{}, err
	}
	m, err := mark.Parse(token)
	if err != nil {
		return answer{}, refuse(InvalidRequest, "The parameter trust_mark is not a trust mark.")
	}
	unknown := refuse(NotFound, "The trust mark was not issued here.")
	if m.Issuer != a.o.ID {
		return answer{}, unknown
	}
	known, err := a.o.Registry.Mark(ctx, m.Type, m.Subject)
	if errors.Is(err, authz.ErrNotFound) {
		return answer{}, unknown
	}
	if err != nil {
		return answer{}, err
	}
	ours, current, err := a.ours(m)
	switch {
	case err != nil:
		return answer{}, err
	case !ours:
		return answer{}, unknown
	}
	status := known.Status(a.o.Now())
	switch {
	case !current:
		status = mark.Invalid // its key has left the set: nobody can verify it
	case status == mark.Active && !(m.IssuedAt.Equal(known.GrantedAt) && m.Expiry.Equal(known.Until)):
		status = mark.Revoked // another was granted in its place
	}
	sum := sha256.Sum256([]byte(token))
	name := "status " + string(status) + " " + hex.EncodeToString(sum[:])
	signed, err := a.signWithin(ctx, a.statuses, name, mark.StatusType, func(now time.Time) (any, error) {
		claims := mark.StatusClaims{Issuer: a.o.ID, IssuedAt: now.Unix(), Mark: token, Status: status}
		return claims, a.o.Registry.CheckMark(context.WithoutCancel(ctx), known)
	})
	return answer{"application/" + mark.StatusType, signed}, err
}

// ours reports whether a key of ours signed a mark, and whether that key is still published.
func (a *Authority) ours(m mark.Mark) (ours, current bool, err error) {
	published, err := a.o.Ring.Published(keys.EntityStatement)
	if err != nil {
		return false, false, err
	}
	retired, err := a.o.Ring.Retired(keys.EntityStatement)
	if err != nil {
		return false, false, err
	}
	for i, set := range [][]keys.PublicKey{published, retired} {
		raw, err := jose.MarshalSet(set)
		if err != nil {
			return false, false, err
		}
		parsed, err := jose.ParseSet(raw)
		if err != nil {
			return false, false, err
		}
		if m.SignedBy(parsed) == nil {
			return true, i == 0, nil
		}
	}
	return false, false, nil
}
