package vault

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/vault/api"

	"hopnhat/keys"
)

// ills remembers what does not work, with what would tell that it works again. A
// server that is not asked anything because it says it is ill would never find
// out by itself.
type ills struct {
	mu   sync.Mutex
	open map[string]ill
}

type ill struct {
	err   error
	probe func(context.Context) error
}

// note records how an operation went; success ends the ill.
func (i *ills) note(doing string, err error, probe func(context.Context) error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err == nil {
		delete(i.open, doing)
		return
	}
	if i.open == nil {
		i.open = map[string]ill{}
	}
	if len(i.open) < 64 {
		i.open[doing] = ill{err, probe}
	}
}

// Health asks Vault how it is, and tries again what did not work. The error names
// the cause.
func (s *Store) Health(ctx context.Context) error {
	if err := s.c.health(ctx); err != nil {
		return err
	}
	s.ills.mu.Lock()
	open := maps.Clone(s.ills.open)
	s.ills.mu.Unlock()
	for _, doing := range slices.Sorted(maps.Keys(open)) {
		if err := open[doing].probe(ctx); err != nil {
			return err
		}
		s.ills.note(doing, nil, nil)
	}
	return nil
}

// health asks each address; one that serves is enough.
func (c *client) health(ctx context.Context) error {
	var worst error
	for _, endpoint := range c.endpoints {
		err := c.healthOf(ctx, endpoint)
		if err == nil {
			return nil
		}
		worst = prefer(worst, err)
	}
	return worst
}

func (c *client) healthOf(ctx context.Context, endpoint *api.Client) error {
	const doing = "asking Vault's health"
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	// Every state with status 200: which it is stands in the answer.
	answer, err := endpoint.Logical().ReadRawWithDataWithContext(ctx, "sys/health", map[string][]string{
		"standbyok": {"true"}, "perfstandbyok": {"true"}, "sealedcode": {"200"}, "uninitcode": {"200"}, "drsecondarycode": {"200"},
	})
	var h struct {
		Initialized *bool `json:"initialized"`
		Sealed      bool  `json:"sealed"`
	}
	if err == nil {
		err = parse(answer, &h)
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = ctx.Err()
	}
	switch {
	case err != nil:
		return outage(doing, err)
	case h.Initialized == nil:
		return &keys.Outage{Cause: keys.BadAnswer, Doing: doing}
	case h.Sealed || !*h.Initialized:
		return &keys.Outage{Cause: keys.Sealed, Doing: doing}
	}
	return nil // a standby passes requests on, or the next address serves
}
