package vneid

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Registered is a server as a client of the simulator, with the addresses that it has for an
// alias (docs/upstream.md).
func Registered(id, issuer, alias string) Client {
	base := issuer + "/signin/upstream/" + alias
	return Client{ID: id, RedirectURI: base + "/callback", LogoutURI: base + "/logout", ReturnURI: issuer + "/", JWKSURI: issuer + "/jwks"}
}

// Serve runs a simulator on a port of this machine until ctx ends, and calls ready when it
// listens. It listens nowhere else: whoever reaches it may be anybody.
func Serve(ctx context.Context, port int, client Client, persons []Person, ready func(issuer string)) error {
	issuer := fmt.Sprintf("http://localhost:%d", port)
	s, err := New(Options{Issuer: issuer, Client: client, Persons: persons, Now: time.Now})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("listening for the simulator: %w; choose another with --port", err)
	}
	server := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	ready(issuer)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	shutdown, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(shutdown); err != nil {
		return err
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
