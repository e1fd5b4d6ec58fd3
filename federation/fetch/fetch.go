package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"hopnhat/authz/outbound"
	"hopnhat/authz/recent"
	"hopnhat/federation"
	"hopnhat/federation/caller"
	"hopnhat/federation/statement"
)

// Media types and the path of an entity's configuration.
const (
	MediaType = "application/" + statement.Type
	listType  = "application/json"
	// WellKnown is appended to the name of an entity (OpenID Federation 1.0 §9).
	WellKnown = "/.well-known/openid-federation"
)

// Bounds on one request.
const (
	timeout = 5 * time.Second
	maxList = 2 << 20
	maxAll  = 20_000 // entities in a list
	// refusedFor is how long an address that gave nothing is not asked again.
	refusedFor = 30 * time.Second
	maxRefused = 4096
)

// ErrFetch is what every failure to get something wraps.
var ErrFetch = errors.New("it could not be fetched")

// Out sends requests: [hopnhat/authz/outbound.Client] does.
type Out interface {
	// FetchAs gets a document of one media type, of no more than limit bytes. It follows
	// no redirect, and reaches no address that it may not.
	FetchAs(ctx context.Context, address, mediaType string, limit int64) ([]byte, error)
}

// Poster posts a form: [hopnhat/authz/outbound.Client] does.
type Poster interface {
	Post(ctx context.Context, m outbound.Message) (outbound.Answer, error)
}

// Prover adds to the parameters of a request the proof for an entity who asks (§8.8).
type Prover interface {
	Prove(ctx context.Context, to federation.EntityID, form url.Values) error
}

// Fetcher gets statements. Of several who want the same at one time one asks, and what
// failed is not asked again for half a minute. It is safe for concurrent use.
type Fetcher struct {
	out     Out
	post    Poster // nil: nothing is proved
	prover  Prover
	flights singleflight.Group
	refused *recent.Map[string, error]
}

// New makes a Fetcher. now is the clock, that of package time if nil.
func New(out Out, now func() time.Time) *Fetcher {
	return &Fetcher{out: out, refused: recent.New[string, error](maxRefused, refusedFor, now)}
}

// Proving lets the fetcher prove who asks, at endpoints that want it. It is called before anything
// is fetched.
func (f *Fetcher) Proving(post Poster, prover Prover) *Fetcher {
	f.post, f.prover = post, prover
	return f
}

// wanted says whom an endpoint wants a proof for; empty where anybody may ask (§8.8.1).
func (f *Fetcher) wanted(c statement.Statement, name string) federation.EntityID {
	methods, _ := c.Metadata[federation.FederationEntity][name+"_auth_methods"].([]any)
	if f.prover == nil || len(methods) == 0 || slices.Contains(methods, any("none")) || !slices.Contains(methods, any(caller.Method)) {
		return ""
	}
	return c.Subject
}

// ask asks an address, by a POST with a proof where one is wanted for an entity.
func (f *Fetcher) ask(ctx context.Context, address, mediaType string, limit int64, wanted federation.EntityID) ([]byte, error) {
	if wanted == "" {
		return f.out.FetchAs(ctx, address, mediaType, limit)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	form := u.Query()
	u.RawQuery = ""
	if err := f.prover.Prove(ctx, wanted, form); err != nil {
		return nil, err
	}
	answer, err := f.post.Post(ctx, outbound.Message{
		URL: u.String(), Type: "application/x-www-form-urlencoded", Body: form.Encode(), Accept: mediaType, Limit: limit + 1,
	})
	switch {
	case err != nil:
		return nil, err
	case answer.Status != http.StatusOK:
		return nil, fmt.Errorf("status %d", answer.Status)
	case int64(len(answer.Body)) > limit:
		return nil, fmt.Errorf("longer than %d bytes", limit)
	}
	return answer.Body, nil
}

// get asks an address. The flight is of all who wait for it: one who leaves ends it for
// nobody else.
func (f *Fetcher) get(ctx context.Context, address, mediaType string, limit int64, wanted federation.EntityID) ([]byte, error) {
	if err, _, ok := f.refused.Get(address); ok {
		return nil, err
	}
	flight := f.flights.DoChan(address, func() (any, error) {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		raw, err := f.ask(own, address, mediaType, limit, wanted)
		if err != nil {
			err = fmt.Errorf("%w: %s: %w", ErrFetch, address, err)
			f.refuse(address, err)
		}
		return raw, err
	})
	select {
	case got := <-flight:
		raw, _ := got.Val.([]byte)
		return raw, got.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %s: %w", ErrFetch, address, context.Cause(ctx))
	}
}

func (f *Fetcher) refuse(address string, err error) {
	_, now, _ := f.refused.Get(address)
	f.refused.Put(address, err, now)
}

// ConfigurationURL is where an entity publishes its configuration. One slash at the end of
// the name is taken off (§9).
func ConfigurationURL(id federation.EntityID) string {
	return strings.TrimSuffix(string(id), "/") + WellKnown
}

// Configuration gets what an entity says about itself, not judged. The error wraps ErrFetch.
func (f *Fetcher) Configuration(ctx context.Context, id federation.EntityID) (statement.Statement, error) {
	return f.statement(ctx, ConfigurationURL(id), id, id, "")
}

// Subordinate gets what a superior, by its configuration, states about an entity (§8.1), not
// judged. The error wraps ErrFetch.
func (f *Fetcher) Subordinate(
	ctx context.Context, superior statement.Statement, subject federation.EntityID,
) (statement.Statement, error) {
	const name = "federation_fetch_endpoint"
	address, err := endpoint(superior, name, url.Values{"sub": {string(subject)}})
	if err != nil {
		return statement.Statement{}, err
	}
	return f.statement(ctx, address, superior.Subject, subject, f.wanted(superior, name))
}

// statement gets one, which has to be of an issuer about a subject.
func (f *Fetcher) statement(
	ctx context.Context, address string, issuer, subject, wanted federation.EntityID,
) (statement.Statement, error) {
	raw, err := f.get(ctx, address, MediaType, statement.MaxBytes, wanted)
	if err != nil {
		return statement.Statement{}, err
	}
	s, err := statement.Parse(strings.TrimSpace(string(raw)))
	if err == nil && (s.Issuer != issuer || s.Subject != subject) {
		err = fmt.Errorf("it is a statement of %s about %s", s.Issuer, s.Subject)
	}
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrFetch, address, err)
		f.refuse(address, err)
		return statement.Statement{}, err
	}
	return s, nil
}

// endpoint is the address of an endpoint that a configuration names (§5.1.1), with
// parameters added to those it has.
func endpoint(c statement.Statement, name string, parameters url.Values) (string, error) {
	text, _ := c.Metadata[federation.FederationEntity][name].(string)
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || len(text) > federation.MaxEntityID {
		return "", fmt.Errorf("%w: the configuration of %s has no %s that is an https URL", ErrFetch, c.Subject, name)
	}
	query := u.Query()
	for key, values := range parameters {
		query[key] = values
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// List gets the subordinates of an entity by its configuration (§8.2): a hint of whom to ask
// about, which proves nothing. types limits it to those that play all of these roles. The
// error wraps ErrFetch.
func (f *Fetcher) List(ctx context.Context, superior statement.Statement, types ...federation.EntityType) ([]federation.EntityID, error) {
	parameters := url.Values{}
	for _, t := range types {
		parameters.Add("entity_type", string(t))
	}
	return f.list(ctx, superior, "federation_list_endpoint", parameters)
}

// Marked gets those for whom an issuer holds a trust mark of a type for active (§8.5). The
// error wraps ErrFetch.
func (f *Fetcher) Marked(ctx context.Context, issuer statement.Statement, kind string) ([]federation.EntityID, error) {
	return f.list(ctx, issuer, "federation_trust_mark_list_endpoint", url.Values{"trust_mark_type": {kind}})
}

func (f *Fetcher) list(ctx context.Context, of statement.Statement, name string, parameters url.Values) ([]federation.EntityID, error) {
	address, err := endpoint(of, name, parameters)
	if err != nil {
		return nil, err
	}
	raw, err := f.get(ctx, address, listType, maxList, f.wanted(of, name))
	if err != nil {
		return nil, err
	}
	ids, err := readList(raw)
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrFetch, address, err)
		f.refuse(address, err)
	}
	return ids, err
}

// readList reads an array of entities (§8.2.2). A text that names none is passed over: one
// that somebody enrolled wrongly must not keep the others in a list of before.
func readList(raw []byte) ([]federation.EntityID, error) {
	var texts []string
	if err := json.Unmarshal(raw, &texts); err != nil || texts == nil {
		return nil, errors.New("not a JSON array of strings")
	}
	if len(texts) > maxAll {
		return nil, fmt.Errorf("more than %d entities", maxAll)
	}
	ids, seen := make([]federation.EntityID, 0, len(texts)), map[string]bool{}
	for _, text := range texts {
		id, err := federation.ParseEntityID(text)
		if err == nil && !seen[text] {
			ids = append(ids, id)
		}
		seen[text] = true
	}
	return ids, nil
}
