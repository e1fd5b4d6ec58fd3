package decoupled

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"hopnhat/authz"
)

// Notice tells a person that a request waits for her.
type Notice struct {
	Subject authz.Subject
	Request authz.AuthorizationID
	App     authz.LocalizedText
	Owner   authz.LocalizedText
	// URL is the page where she answers.
	URL     string
	Expires time.Time
}

// Notifier reaches the person's own device, by a push to the national app. It may
// be slow or fail: the request waits on her page whether it was pushed or not. It
// must not log who the person is.
type Notifier interface {
	Notify(ctx context.Context, n Notice) error
}

// Simulator stands where the push to the national app would: it writes what the
// phone would show. There is no push service to reach outside of the national
// app's own network, and this does not pretend to be one.
type Simulator struct {
	mu  sync.Mutex
	out io.Writer
}

// NewSimulator writes notices to out.
func NewSimulator(out io.Writer) *Simulator { return &Simulator{out: out} }

// Notify writes one line.
func (s *Simulator) Notify(_ context.Context, n Notice) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := fmt.Fprintf(s.out, "[thông báo đẩy mô phỏng · simulated push] %s (%s) hỏi đăng nhập · asks for a sign-in: %s\n", n.App.VI, n.Owner.VI, n.URL)
	return err
}
