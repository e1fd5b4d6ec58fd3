// Package operations is where operators see the registered apps, and the deliveries of
// logout tokens and notices that failed. The route table of package web says who is let in.
package operations

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/session"
	"hopnhat/web/page"
)

// The addresses of the room.
const (
	AppsPath       = page.ConsolePath + "/apps"
	DeliveriesPath = page.ConsolePath + "/logouts"
	RetryPath      = DeliveriesPath + "/retry"
)

// Scribe writes what operators do ([audit.Scribe]).
type Scribe interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Clients finds and lists apps.
type Clients interface {
	page.Clients
	page.AppList
}

// Keys says what this node knows of the keys at an app's jwks_uri.
type Keys interface {
	KeyState(id authz.ClientID) (n int, fetched time.Time, failed bool)
}

// Deliveries is the outbox of logout tokens and notices of consent.
type Deliveries interface {
	// Logouts lists deliveries to an app, the newest first, before one of them; without an
	// app those of all apps that failed at least once.
	Logouts(ctx context.Context, client authz.ClientID, before string, limit int) ([]session.Delivery, error)
	// RetryLogout lets one that failed begin again; [authz.ErrNotFound] if there is none.
	RetryLogout(ctx context.Context, id string, at time.Time) error
	// Tx runs a function in one transaction.
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Options is what the room is made of; all are needed.
type Options struct {
	Scribe     Scribe
	Clients    Clients
	Keys       Keys
	Deliveries Deliveries
	// LogoutQueued is called when a delivery begins again.
	LogoutQueued func()
	Now          func() time.Time
}

// Pages are the pages of operators. They are safe for concurrent use.
type Pages struct{ o Options }

// New makes the pages.
func New(o Options) *Pages { return &Pages{o} }

// pageSize is how many rows a page lists; one more is asked for, to see whether there are
// others.
const pageSize = 50
