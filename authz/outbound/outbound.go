// Package outbound sends every request that this server makes to an address which an
// app named: key sets, request objects, sector lists and logos are fetched, logout
// tokens, notices and pings are posted. The registrant of an app chooses such an
// address, so a request reaches public addresses only, follows no redirect, and is
// bounded in bytes, time and connections at one host. Witnesses of the release log, which
// operators name and others run, and entities of a federation are asked from here, too. The
// key store, the database and the registers are reached by addresses that operators set, and
// not from here.
package outbound

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Bounds of one client. A caller sets a sooner deadline in its context, and says how
// long a document may be.
const (
	maxTime    = 10 * time.Second // one request, with its answer
	dialTime   = 3 * time.Second
	maxPerHost = 32       // connections at one time; a request waits for one until its deadline
	maxHeader  = 16 << 10 // of an answer
	maxAnswer  = 4 << 10  // of the body that answers a message
)

// Client sends requests to addresses that others named. It is safe for concurrent use.
type Client struct{ http *http.Client }

// New makes a client with connections of its own: one that waits for hosts that do not
// answer keeps no other client waiting. loopback lets demonstrations reach this machine.
func New(loopback bool) *Client { return NewWithin(Bounds{Loopback: loopback}) }

// Bounds say what a client reaches besides the public internet, and whom it believes.
type Bounds struct {
	// Loopback is this machine.
	Loopback bool
	// Networks are those that an operator named: the state's own, for a federation.
	Networks []netip.Prefix
	// Roots are the authorities whose certificates count; those of the machine if nil.
	Roots *x509.CertPool
}

// NewWithin is New with other bounds.
func NewWithin(b Bounds) *Client {
	dialer := &net.Dialer{Timeout: dialTime, Control: guardDial(b)}
	return &Client{&http.Client{
		Timeout: maxTime,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: dialTime, MaxIdleConns: 50, MaxConnsPerHost: maxPerHost,
			TLSClientConfig: &tls.Config{RootCAs: b.Roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16,
			IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxHeader, Proxy: nil,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Fetch gets the document at a URL: status 200, and no longer than limit bytes after
// decompression.
func (c *Client) Fetch(ctx context.Context, address string, limit int64) ([]byte, error) {
	return c.FetchAs(ctx, address, "", limit)
}

// FetchAs is Fetch of a document of one media type, whatever its parameters (RFC 9110
// §8.3.1); of any if it is empty.
func (c *Client) FetchAs(ctx context.Context, address, mediaType string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if mediaType != "" {
		r.Header.Set("Accept", mediaType)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	if got, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); mediaType != "" && (err != nil || got != mediaType) {
		return nil, fmt.Errorf("its media type is %q, want %q", answer.Header.Get("Content-Type"), mediaType)
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("longer than %d bytes", limit)
	}
	return raw, err
}

// Message is what is posted to an app.
type Message struct {
	URL  string
	Type string // of the body
	Body string
	// Accept and Authorization are headers, left out where empty.
	Accept, Authorization string
	// Limit is how many bytes of the body of the answer are read; a few KiB if it is 0.
	Limit int64
}

// Answer is what an app answered: its status, and the beginning of its body.
type Answer struct {
	Status int
	Body   []byte
}

// ErrURL means that a message has no address to which anything could be sent.
var ErrURL = errors.New("no URL")

// Post sends a message and waits for the answer, whatever its status. The error wraps
// [ErrURL], or says why there was no answer.
func (c *Client) Post(ctx context.Context, m Message) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, strings.NewReader(m.Body))
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrURL, err)
	}
	for name, value := range map[string]string{"Content-Type": m.Type, "Accept": m.Accept, "Authorization": m.Authorization} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer answer.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(answer.Body, cmp.Or(m.Limit, maxAnswer))) // the status is the answer
	return Answer{answer.StatusCode, raw}, nil
}
