package authz

import (
	"context"

	"hopnhat/keys"
)

// WithRequest says in a context which request is being answered, by the id of its
// X-Request-Id: log lines name it, and so does the key store's own audit log.
func WithRequest(ctx context.Context, id string) context.Context { return keys.WithRequest(ctx, id) }
