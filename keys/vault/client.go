package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"hopnhat/keys"
)

// requestHeader carries the id of the request a key is used for; Vault writes it
// into its audit log once `vault write sys/config/auditing/request-headers/…` (or
// `hopnhat keys vault-setup`) has said so.
const requestHeader = "X-Request-Id"

// client speaks to a cluster: one address after the other, with the token of the
// day. It is safe for concurrent use.
type client struct {
	o         *Options
	endpoints []*api.Client
	current   atomic.Int32 // the address that answered last
	login     *login
	calls     atomic.Uint64
}

func newClient(o *Options) (*client, error) {
	if len(o.Addresses) == 0 {
		return nil, errors.New("no address of Vault is given")
	}
	transport, err := o.transport()
	if err != nil {
		return nil, err
	}
	c := &client{o: o}
	// A redirect would carry the token to wherever the answer says.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, address := range o.Addresses {
		// Not api.DefaultConfig, which takes addresses and leave to skip the check
		// of certificates from VAULT_ variables in the environment.
		endpoint, err := api.NewClient(&api.Config{
			Address: address, HttpClient: &http.Client{Transport: transport, CheckRedirect: stay}, DisableRedirects: true,
			// No retries: round makes them. No timeout: try sets it, since this one
			// would end before the answer is read.
			MaxRetries: 0, Timeout: 0,
		})
		if err != nil {
			return nil, fmt.Errorf("preparing the client of Vault at %s: %w", address, err)
		}
		endpoint.SetToken("") // not that of the environment either
		endpoint.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
		if o.Namespace != "" {
			endpoint.SetNamespace(o.Namespace)
		}
		c.endpoints = append(c.endpoints, endpoint)
	}
	c.login = &login{o: o, c: c}
	return c, nil
}

func (o *Options) transport() (http.RoundTripper, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CACert != "" {
		raw, err := os.ReadFile(o.CACert)
		if err != nil {
			return nil, fmt.Errorf("reading Vault's CA: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("reading Vault's CA: %s holds no certificate", o.CACert)
		}
	}
	// HTTP/1.1: few calls are under way at a time (keys/batch), and over HTTP/2 a
	// batch costs an eighth more.
	return limited{&http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: false,
		DialContext:         (&net.Dialer{Timeout: o.Timeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: o.Timeout, MaxResponseHeaderBytes: 64 << 10, // try bounds the whole
		MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
	}}, nil
}

// call is one request to Vault.
type call struct {
	doing string // for errors
	path  string
	body  any // nil reads
	into  any // nil throws the answer away
	// patience is how many times the timeout it may take, 1 if zero.
	patience int
	// once: it may have an effect, so it is tried elsewhere only if it never left.
	once bool
	// token overrides that of the login; bare sends none.
	token string
	bare  bool
}

// do makes a call. A token that is refused is replaced and the call made once
// more; an address that does not serve is followed by the next.
func (c *client) do(ctx context.Context, what call) error {
	if what.bare || what.token != "" {
		return c.round(ctx, what, what.token)
	}
	token, err := c.login.token(ctx)
	if err != nil {
		return err
	}
	err = c.round(ctx, what, token)
	if cause, _ := keys.CauseOf(err); cause != keys.PermissionDenied {
		return err
	}
	fresh, loginErr := c.login.refused(ctx, token)
	switch {
	case loginErr != nil:
		return loginErr
	case fresh == token:
		return err // the token is good: the policy does not allow it
	}
	return c.round(ctx, what, fresh)
}

// round tries the addresses, the one that answered last first.
func (c *client) round(ctx context.Context, what call, token string) error {
	first := int(c.current.Load())
	var worst error
	for i := range c.endpoints {
		at := (first + i) % len(c.endpoints)
		err := c.try(ctx, c.endpoints[at], what, token)
		if err == nil {
			c.current.Store(int32(at))
			return nil
		}
		err = outage(what.doing, err)
		if worst == nil || !errors.Is(worst, context.Canceled) {
			worst = prefer(worst, err)
		}
		cause, isOutage := keys.CauseOf(err)
		elsewhere := cause == keys.Unreachable || cause == keys.Sealed || cause == keys.Standby || cause == keys.Slow
		if !isOutage || !elsewhere || ctx.Err() != nil || what.once && !neverLeft(err) {
			return worst
		}
	}
	return worst
}

// prefer keeps the error that tells an operator more: that a server is sealed
// says more than that another is not reachable.
func prefer(a, b error) error {
	if cause, _ := keys.CauseOf(a); a != nil && cause != keys.Unreachable && cause != keys.Slow {
		return a
	}
	return b
}

// neverLeft reports whether the request cannot have reached a server.
func neverLeft(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}

func (c *client) try(ctx context.Context, endpoint *api.Client, what call, token string) error {
	c.calls.Add(1)
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout*time.Duration(max(1, what.patience)))
	defer cancel()
	request := keys.RequestOf(ctx)
	with := endpoint.WithRequestCallbacks(func(r *api.Request) {
		r.ClientToken = token
		if request != "" {
			r.Headers.Set(requestHeader, request)
		}
	})
	var answer *api.Response
	var err error
	if what.body == nil {
		answer, err = with.Logical().ReadRawWithContext(ctx, what.path)
	} else {
		var raw []byte
		if raw, err = json.Marshal(what.body); err != nil {
			return err
		}
		answer, err = with.Logical().WriteRawWithContext(ctx, what.path, raw)
	}
	if err != nil {
		if answer != nil && answer.Body != nil {
			answer.Body.Close()
		}
		if ended := context.Cause(ctx); ended != nil && errors.Is(ended, context.DeadlineExceeded) {
			return ended
		}
		return err
	}
	return parse(answer, what.into)
}

// wrapper is how Vault packs what it says.
type wrapper[T any] struct {
	Data T `json:"data"`
}
