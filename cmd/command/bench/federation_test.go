package bench

import (
	"net"
	"testing"
)

// TestFederation: what is measured is a federation that is trusted as a whole, and an answer
// in process allocates nothing.
func TestFederation(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	m, err := measureFederation(t.Context(), federationLoad{port, 1, 10_000, 200, 1})
	if err != nil || m.Entities != 71 || m.Allocated > 0.1 || m.Walk <= 0 || m.Warm <= 0 || m.HTTP <= 0 || m.Heap <= 0 ||
		m.Restart <= 0 || m.Rate <= 0 || m.P99 < m.Median || m.Median <= 0 || m.Revoked <= 0 {
		t.Errorf("got %+v, %v", m, err)
	}
}
