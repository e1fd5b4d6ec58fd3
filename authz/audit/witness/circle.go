package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"hopnhat/authz/audit/cosign"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/tiles"
	"hopnhat/authz/outbound"
)

// Peer is a witness that a log asks.
type Peer struct {
	Key *cosign.Verifier
	// URL is its submission prefix.
	URL string
}

// maxPeers bounds the witnesses of a log: each is asked after each checkpoint.
const maxPeers = 16

// ErrPeers means that a list of witnesses cannot be read.
var ErrPeers = errors.New("the list of witnesses")

// ParsePeers reads a list of witnesses: a line each with the verifier key and the URL of
// its submission prefix, https or on this machine. Lines that begin with # are notes.
func ParsePeers(raw []byte) ([]Peer, error) {
	var peers []Peer
	names := map[string]bool{}
	n := 0
	for line := range strings.Lines(string(raw)) {
		n++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("%w: line %d is not a verifier key, a space and a URL", ErrPeers, n)
		}
		key, err := cosign.ParseKey(fields[0])
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrPeers, n, err)
		}
		u, err := url.Parse(fields[1])
		local := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
		bare := err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
		if !bare || u.Scheme != "https" && (u.Scheme != "http" || !local) {
			return nil, fmt.Errorf("%w: line %d: the URL is not https, or has a user, a query or a fragment", ErrPeers, n)
		}
		if names[key.Name()] {
			return nil, fmt.Errorf("%w: line %d: %s stands there twice", ErrPeers, n, key.Name())
		}
		names[key.Name()] = true
		peers = append(peers, Peer{key, strings.TrimSuffix(fields[1], "/")})
	}
	if len(peers) > maxPeers {
		return nil, fmt.Errorf("%w: it has %d, more than %d", ErrPeers, len(peers), maxPeers)
	}
	return peers, nil
}

// Poster sends requests.
type Poster interface {
	Post(ctx context.Context, m outbound.Message) (outbound.Answer, error)
}

// Circle asks the witnesses of a log. It is safe for concurrent use.
type Circle struct {
	peers  []*peer
	wanted int
	out    Poster
	now    func() time.Time
}

// peer is a witness and what is known of it, by the origins of the logs: one that does not
// follow one log is asked for the others all the same.
type peer struct {
	Peer
	mu   sync.Mutex
	logs map[string]*standing
}

// standing is what is known of a witness for one log.
type standing struct {
	size  uint64    // of the tree that it cosigned last
	fails int       // in a row
	retry time.Time // not asked before
}

// of is what is known for a log.
func (p *peer) of(origin string) *standing {
	if p.logs[origin] == nil {
		p.logs[origin] = &standing{}
	}
	return p.logs[origin]
}

// NewCircle makes the circle of some witnesses, of whom a number is wanted.
func NewCircle(peers []Peer, wanted int, out Poster, now func() time.Time) (*Circle, error) {
	if wanted < 1 || wanted > len(peers) {
		return nil, fmt.Errorf("%w: it has %d, and %d are wanted", ErrPeers, len(peers), wanted)
	}
	c := &Circle{wanted: wanted, out: out, now: now}
	for _, p := range peers {
		c.peers = append(c.peers, &peer{Peer: p, logs: map[string]*standing{}})
	}
	return c, nil
}

// Verifiers are the keys of the witnesses.
func (c *Circle) Verifiers() []*cosign.Verifier {
	var list []*cosign.Verifier
	for _, p := range c.peers {
		list = append(list, p.Key)
	}
	return list
}

// Wanted is how many of them have to cosign.
func (c *Circle) Wanted() int { return c.wanted }

// Up tells of each witness, by its name, whether it cosigned each log when it was asked last.
func (c *Circle) Up() map[string]bool {
	up := map[string]bool{}
	for _, p := range c.peers {
		p.mu.Lock()
		up[p.Key.Name()] = true
		for _, s := range p.logs {
			up[p.Key.Name()] = up[p.Key.Name()] && s.fails == 0
		}
		p.mu.Unlock()
	}
	return up
}

// ErrTooFew means that fewer witnesses cosigned than are wanted.
var ErrTooFew = errors.New("too few witnesses cosigned the checkpoint")

// Bounds of asking.
const (
	askPatience = 5 * time.Second
	maxRetry    = time.Minute
)

// Ask asks all witnesses to cosign a checkpoint of the log whose files are fetched, and gives
// it with their lines. [ErrTooFew] says that too few did, and wraps why each did not. A
// witness that failed is asked again after a time that doubles, up to a minute.
func (c *Circle) Ask(ctx context.Context, raw []byte, fetch tiles.Fetch) ([]byte, error) {
	tree, err := proof.ParseCheckpoint(raw)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	lines, failed := make([]string, len(c.peers)), make([]error, len(c.peers))
	var all sync.WaitGroup
	for i, p := range c.peers {
		all.Go(func() { lines[i], failed[i] = c.ask(ctx, p, raw, tree, fetch) })
	}
	all.Wait()
	cosigned, got := bytes.Clone(raw), 0
	for _, line := range lines {
		if line != "" {
			cosigned, got = append(cosigned, line...), got+1
		}
	}
	if got < c.wanted {
		return nil, fmt.Errorf("%w: %d of %d that are wanted: %w", ErrTooFew, got, c.wanted, errors.Join(failed...))
	}
	return cosigned, nil
}

// errWaits means that a witness failed, and it is not yet time to ask again.
var errWaits = errors.New("it failed before, and is asked again later")

func (c *Circle) ask(ctx context.Context, p *peer, raw []byte, tree proof.Checkpoint, fetch tiles.Fetch) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.of(tree.Origin)
	if c.now().Before(s.retry) {
		return "", fmt.Errorf("%s: %w", p.Key.Name(), errWaits)
	}
	line, err := c.submit(ctx, p, raw, tree, fetch)
	if err == nil {
		*s = standing{size: tree.Size}
		return line, nil
	}
	s.retry = c.now().Add(min(time.Second<<min(s.fails, 10), maxRetry))
	s.fails++
	return "", fmt.Errorf("%s: %w", p.Key.Name(), err)
}

// submit sends the checkpoint, and once more where the witness says that it knows another
// tree than was thought.
func (c *Circle) submit(ctx context.Context, p *peer, raw []byte, tree proof.Checkpoint, fetch tiles.Fetch) (string, error) {
	for again := range 2 {
		old := p.of(tree.Origin).size
		if old > tree.Size {
			return "", fmt.Errorf("it cosigned %d entries, more than %d", old, tree.Size)
		}
		hashes, err := tiles.Consistency(ctx, fetch, old, tree)
		if err != nil {
			return "", err
		}
		answer, err := c.out.Post(ctx, outbound.Message{
			URL: p.URL + "/add-checkpoint", Type: "text/plain; charset=utf-8", Body: request{old, hashes, raw}.marshal(),
		})
		if err != nil {
			return "", err
		}
		if answer.Status == http.StatusConflict && again == 0 {
			size, err := strconv.ParseUint(strings.TrimSuffix(string(answer.Body), "\n"), 10, 63)
			if err != nil {
				return "", errors.New("a conflict without the size of a tree")
			}
			p.of(tree.Origin).size = size
			continue
		}
		if answer.Status != http.StatusOK {
			return "", fmt.Errorf("status %d", answer.Status)
		}
		text, _, _ := bytes.Cut(raw, []byte("\n\n"))
		found, err := cosign.Open(slices.Concat(text, []byte("\n\n"), answer.Body), p.Key)
		if err != nil {
			return "", err
		}
		if len(found) == 0 {
			return "", errors.New("its answer has no signature of its key")
		}
		return found[0].Line, nil
	}
	return "", errors.New("it knows another tree each time")
}
