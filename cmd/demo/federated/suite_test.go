package federated_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"testing"

	"hopnhat/cmd/demo/federated"
	"hopnhat/conformance/suite"
	"hopnhat/conformance/suite/federation"
)

// TestDeployed: the plan of deployed entities passes for the trust anchor, a province, and an
// app of the federation of the nation, over HTTPS.
func TestDeployed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	n, err := federated.New(t.Context(), port, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	n.Resolver.Refresh(t.Context())
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, n.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(n.Keys, &keys); err != nil {
		t.Fatal(err)
	}
	app, err := n.Resolver.Resolve(n.App)
	if err != nil {
		t.Fatal(err)
	}
	_, about, err := suite.Peek(app.Chain[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, issuer string
		reviews      int // of what a leaf does not offer
	}{
		{"the trust anchor", string(n.Anchor()), 0},
		{"a province", about.Text("iss"), 0},
		{"an app", string(n.App), 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := suite.New(suite.Config{Issuer: row.issuer, CA: ca, Extra: map[string]any{"federation": map[string]any{
				"trust_anchor": string(n.Anchor()), "trust_anchor_jwks": keys,
			}}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			reviews := 0
			outcomes := s.Run(t.Context(), suite.Options{}, federation.Plans()[0])
			for _, o := range outcomes {
				if o.Result == suite.Review {
					reviews++
				} else if o.Result != suite.Pass {
					t.Errorf("%s: %v: %+v", o.Module.Name, o.Result, o.Reasons)
				}
			}
			if len(outcomes) != 6 || reviews != row.reviews {
				t.Errorf("%d modules, %d reviews", len(outcomes), reviews)
			}
		})
	}
}
