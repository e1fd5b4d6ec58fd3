package remote

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"hopnhat/authz/audit"
)

// TestAConnectionThatIsLostInSilence: a firewall forgets a connection, so that nothing comes
// through it and neither end hears of that. The writer is asked by another one.
func TestAConnectionThatIsLostInSilence(t *testing.T) {
	i := identity(t, 1, "dc1", time.Now)
	address, _ := serve(t, i, openWriter(t))
	wall := forgetful(t, address)
	c := dial(t, wall.listener.Addr().String(), i)
	if _, err := c.Append(t.Context(), audit.Entry{Leaf: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	wall.forget()
	if place, err := c.Append(t.Context(), audit.Entry{Leaf: []byte("two")}); err != nil || place.Index != 1 {
		t.Errorf("got %v, %v", place, err)
	}
}

// firewall passes connections on until it forgets them.
type firewall struct {
	listener net.Listener
	mu       sync.Mutex
	passes   []*bool
}

func forgetful(t *testing.T, to string) *firewall {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &firewall{listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				return
			}
			t.Cleanup(func() { near.Close(); far.Close() })
			pass := new(bool)
			*pass = true
			w.mu.Lock()
			w.passes = append(w.passes, pass)
			w.mu.Unlock()
			go w.carry(far, near, pass)
			go w.carry(near, far, pass)
		}
	}()
	return w
}

// carry copies until the connection is forgotten; what comes then goes nowhere.
func (w *firewall) carry(to io.Writer, from io.Reader, pass *bool) {
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if err != nil {
			return
		}
		w.mu.Lock()
		passes := *pass
		w.mu.Unlock()
		if passes {
			_, _ = to.Write(piece[:n])
		}
	}
}

// forget forgets the connections that there are.
func (w *firewall) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, pass := range w.passes {
		*pass = false
	}
}
