package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/gather"
)

// Client appends to a log that another node of the site writes, and reads it there. It is
// safe for concurrent use.
type Client struct {
	address string
	below   string // of the paths of the log at the writer
	http    *http.Client
	groups  *gather.Groups[audit.Entry, audit.Place]
	cancel  context.CancelFunc
}

// Bounds on what a client waits for and holds.
const (
	attemptPatience = 3 * time.Second
	maxWaiting      = 4096
	maxAnswer       = 4 << 20
	maxIdle         = 8 // connections that wait for the next request
)

// Dial makes a client of the writer at host:port; of none if that is empty. Nothing is
// sent yet. It speaks HTTP/1.1: a request that is not answered in time ends its connection,
// where HTTP/2 would put the next one on the same, which may be lost without either end
// hearing of it for a quarter of an hour.
func Dial(address string, identity *Identity) *Client { return DialBelow(address, "", identity) }

// DialBelow makes a client of another log of the same writer, whose paths begin with below:
// see [Below]. A writer of the release before has none, which [ErrNoLog] says.
func DialBelow(address, below string, identity *Identity) *Client {
	background, cancel := context.WithCancel(context.Background())
	dialer := &net.Dialer{}
	c := &Client{
		address: address, below: below, cancel: cancel,
		http: &http.Client{
			Transport: &http.Transport{
				TLSClientConfig: identity.Client(), IdleConnTimeout: idlePatience / 2, MaxIdleConnsPerHost: maxIdle,
				DialContext: func(ctx context.Context, network, host string) (net.Conn, error) {
					if path, local := strings.CutPrefix(address, socketPrefix); local {
						return dialer.DialContext(ctx, "unix", path)
					}
					return dialer.DialContext(ctx, network, host)
				},
				TLSHandshakeTimeout: attemptPatience, ResponseHeaderTimeout: appendPatience,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.groups = gather.New(background, gather.Options[audit.Entry, audit.Place]{
		Write: c.write, Size: func(e audit.Entry) int { return len(e.Leaf) + len(e.Copy) },
		MaxEntries: maxEntries, MaxBytes: maxBody - 4*maxEntries, MaxWaiting: maxWaiting,
	})
	return c
}

// ErrNoLog means that the writer does not have the log that is asked for.
var ErrNoLog = errors.New("the node that writes the logs of the site has no such log")

// Socket is the address of a writer that listens on a socket of this machine.
func Socket(path string) string { return socketPrefix + path }

const socketPrefix = "unix:"

func (c *Client) url(path string) string {
	host := c.address
	if strings.HasPrefix(host, socketPrefix) {
		host = hostName
	}
	return "https://" + host + c.below + path
}

// Address is where the writer is.
func (c *Client) Address() string { return c.address }

// Close takes no more entries and lets go of the connections.
func (c *Client) Close() {
	c.cancel()
	c.groups.Close()
	c.http.CloseIdleConnections()
}

// Append has an entry written with the others that come meanwhile. When the error is nil
// it is durable at the writer.
func (c *Client) Append(ctx context.Context, entry audit.Entry) (audit.Place, error) {
	if c.address == "" {
		return audit.Place{}, fmt.Errorf("appending to the log: %w: no node writes it", authz.ErrUnavailable)
	}
	if len(entry.Leaf) == 0 || len(entry.Leaf) > maxEntry || len(entry.Copy) > maxEntry {
		return audit.Place{}, fmt.Errorf("an entry of %d bytes with a copy of %d cannot be sent to the log", len(entry.Leaf), len(entry.Copy))
	}
	place, err := c.groups.Add(ctx, entry)
	if err != nil {
		return audit.Place{}, fmt.Errorf("appending to the log at %s: %w: %w", c.address, authz.ErrUnavailable, err)
	}
	return place, nil
}

// write sends a group, and once more if it is not known what became of it: entries that
// were written have their places by then.
func (c *Client) write(ctx context.Context, entries []audit.Entry) []gather.Outcome[audit.Place] {
	places, err := c.appended(ctx, entries)
	if err != nil && ctx.Err() == nil {
		c.http.CloseIdleConnections() // which may be lost as the one before was
		places, err = c.appended(ctx, entries)
	}
	if err == nil && len(places) != len(entries) {
		err = fmt.Errorf("%d places for %d entries", len(places), len(entries))
	}
	out := make([]gather.Outcome[audit.Place], len(entries))
	for i := range out {
		if err == nil {
			out[i].Value = audit.Place(places[i])
		}
		out[i].Err = err
	}
	return out
}

// appended sends entries with their copies, and to a writer of the release before, which keeps
// none, without.
func (c *Client) appended(ctx context.Context, entries []audit.Entry) ([]place, error) {
	places, err := c.send(ctx, "/entries", marshal(entries, true))
	if errors.Is(err, ErrNoLog) {
		return c.send(ctx, "/append", marshal(entries, false))
	}
	return places, err
}

func (c *Client) send(ctx context.Context, path string, body []byte) ([]place, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url(path), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	var places []place
	_, err = c.do(r, func(raw []byte) error { return json.Unmarshal(raw, &places) })
	return places, noLog(err)
}

// noLog is the error of a request that every log of a writer answers.
func noLog(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoLog
	}
	return err
}

// do sends a request and reads the body of an answer 200; fs.ErrNotExist for 404.
func (c *Client) do(r *http.Request, read func(raw []byte) error) (http.Header, error) {
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > maxAnswer:
		return nil, errors.New("the answer is too long")
	case answer.StatusCode == http.StatusNotFound:
		return nil, fs.ErrNotExist
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answered %d: %s", answer.StatusCode, strings.TrimSpace(string(raw[:min(len(raw), 500)])))
	}
	return answer.Header, read(raw)
}

func (c *Client) get(ctx context.Context, path string, read func(raw []byte) error) (http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(path), nil)
	if err != nil {
		return nil, err
	}
	header, err := c.do(r, read)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", authz.ErrUnavailable, err)
	}
	return header, err
}

// Erase has the copies of one leaf overwritten at the node, at a place or wherever it stands
// among n, at most [MostErased]; authz.ErrNotFound if the node does not have the shard.
func (c *Client) Erase(ctx context.Context, at audit.Place, n uint64, leaf [sha256.Size]byte) error {
	body, err := json.Marshal(erasure{place(at), n, hex.EncodeToString(leaf[:])})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, appendPatience) // a node that is gone keeps nobody waiting
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url("/erase"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	_, err = c.do(r, func([]byte) error { return nil })
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("shard %s at %s: %w", at.Origin, c.address, authz.ErrNotFound)
	case err != nil:
		return fmt.Errorf("erasing a copy at %s: %w: %w", c.address, authz.ErrUnavailable, err)
	}
	return nil
}

// Status asks the writer for the state of its log.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	_, err := c.get(ctx, "/status", func(raw []byte) error { return json.Unmarshal(raw, &s) })
	if err != nil {
		return Status{}, fmt.Errorf("asking the log at %s: %w", c.address, noLog(err))
	}
	return s, nil
}

// Files are those of a shard, at the writer.
func (c *Client) Files(shard string) tlog.Files { return files{c, shard} }

type files struct {
	c     *Client
	shard string
}

func (f files) path(path string) string { return "/shards/" + f.shard + "/" + path }

// Read reads a file from the writer.
func (f files) Read(ctx context.Context, path string) (raw []byte, err error) {
	_, err = f.c.get(ctx, f.path(path), func(body []byte) error { raw = body; return nil })
	return raw, err
}

// Modified is when the writer wrote a file.
func (f files) Modified(ctx context.Context, path string) (time.Time, error) {
	header, err := f.c.get(ctx, f.path(path), func([]byte) error { return nil })
	if err != nil {
		return time.Time{}, err
	}
	return http.ParseTime(header.Get("Last-Modified"))
}

// String says where the files are.
func (f files) String() string { return f.c.address + f.path("") }
