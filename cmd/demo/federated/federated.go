// Package federated runs a federation of the nation in one process: a trust anchor, two
// ministries, every province, and apps of the provinces, each with keys and endpoints of its
// own, over HTTPS at loopback addresses (127.34.0.0/16). Enrolments and keys are in memory,
// and gone when it ends.
package federated

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/authority"
	"hopnhat/federation/enrol"
	"hopnhat/federation/fetch"
	"hopnhat/federation/resolver"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/keys"
	"hopnhat/keys/jose"
	"hopnhat/keys/single"
	"hopnhat/store/registry/nation"
)

// Network is that of the addresses.
const Network = "127.34.0.0/16"

// kinds of apps that a province has, the first with a trust mark of the anchor.
var kinds = [][2]string{{"dat-dai", "Đất đai"}, {"ho-tich", "Hộ tịch"}, {"y-te", "Y tế"}}

// entity is one of the federation.
type entity struct {
	id       federation.EntityID
	name     string
	ring     *single.Ring
	registry *registry
	*authority.Authority
}

// Nation is the federation.
type Nation struct {
	anchor   *entity
	entities []*entity
	servers  map[string]*http.ServeMux // by host and port
	pool     *x509.CertPool
	pair     tls.Certificate
	running  []*http.Server

	// CA is the certificate that all servers have, PEM; Keys the JWK Set of the anchor.
	CA, Keys []byte
	// Resolver is that of the anchor; nobody is known before it has walked.
	Resolver *resolver.Resolver
	options  resolver.Options
	// App is an app with a trust mark.
	App federation.EntityID
}

// New makes the federation on a port of each address, with some apps in each province. The
// resolver keeps what it knows in a file, empty for none.
func New(ctx context.Context, port, apps int, file string) (*Nation, error) {
	n := &Nation{servers: map[string]*http.ServeMux{}, options: resolver.Options{File: file}}
	at := func(a, b int) string { return fmt.Sprintf("127.34.%d.%d:%d", a, b, port) }
	hosts := []string{at(0, 1), at(0, 2), at(0, 3)}
	provinces, _ := nation.Provinces()
	for i := range provinces {
		hosts = append(hosts, at(1, i+1))
	}
	if err := n.certify(hosts); err != nil {
		return nil, err
	}
	if err := n.makeAnchor(hosts[0]); err != nil {
		return nil, err
	}
	superior := json.RawMessage(`{"openid_relying_party":{"subject_type":{"value":"pairwise"},"contacts":{"add":["hotro@neo.example.vn"]}}}`)
	limits := json.RawMessage(`{"max_path_length":1,"allowed_entity_types":["openid_relying_party"]}`)
	for i, name := range []string{"Bộ Nội vụ", "Bộ Công an"} {
		if _, err := n.add(ctx, n.anchor, hosts[1+i], "", name, true, nil, enrol.Terms{Policy: superior, Constraints: limits}); err != nil {
			return nil, err
		}
	}
	for i, p := range provinces {
		host := hosts[3+i]
		e, err := n.add(ctx, n.anchor, host, "", p.FullName, true, nil, enrol.Terms{Policy: superior, Constraints: limits})
		if err != nil {
			return nil, err
		}
		for j := range apps {
			if err := n.addApp(ctx, e, host, j, p.Name); err != nil {
				return nil, err
			}
		}
	}
	return n, nil
}

// markKind is the type of the trust mark that the anchor grants.
func (n *Nation) markKind() string { return string(n.anchor.id) + "/marks/public-service" }

func (n *Nation) makeAnchor(host string) error {
	r, err := single.New(keys.EntityStatement)
	if err != nil {
		return err
	}
	if n.Keys, err = r.Set(); err != nil {
		return err
	}
	set, err := jose.ParseSet(n.Keys)
	if err != nil {
		return err
	}
	e := &entity{id: federation.EntityID("https://" + host), name: "Neo tin cậy quốc gia", ring: r, registry: newRegistry()}
	n.anchor, n.entities = e, append(n.entities, e)
	out := outbound.NewWithin(outbound.Bounds{Networks: []netip.Prefix{netip.MustParsePrefix(Network)}, Roots: n.pool})
	n.options.Anchors, n.options.Fetcher = []trust.Anchor{{ID: e.id, Keys: set}}, fetch.New(out, nil)
	n.Resolver = resolver.New(n.options)
	e.Authority = authority.New(authority.Options{
		ID: e.id, Organization: e.name, Registry: e.registry, Ring: r, Resolver: n.Resolver,
		MarkIssuers: map[string][]federation.EntityID{n.markKind(): {e.id}},
	})
	n.serve(e)
	return nil
}

// addApp adds the j-th app of a province; the first gets the mark of the anchor.
func (n *Nation) addApp(ctx context.Context, province *entity, host string, j int, name string) error {
	path, title := "/"+kinds[j%len(kinds)][0], kinds[j%len(kinds)][1]+" "+name
	if j >= len(kinds) {
		path, title = fmt.Sprintf("%s-%d", path, j), fmt.Sprintf("%s %d", title, j)
	}
	id := "https://" + host + path
	metadata, err := json.Marshal(map[string]any{
		"client_name": title, "redirect_uris": []string{id + "/cb"}, "response_types": []string{"code"},
		"grant_types": []string{"authorization_code", "implicit"}, "token_endpoint_auth_method": "private_key_jwt",
		"client_registration_types": []string{"automatic"}, "scope": "openid", "contacts": []string{"it@" + kinds[j%len(kinds)][0] + ".example.vn"},
	})
	if err != nil {
		return err
	}
	terms := enrol.Terms{Policy: json.RawMessage(`{"openid_relying_party":{"grant_types":{"value":["authorization_code"]}}}`)}
	e, err := n.add(ctx, province, host, path, title, j == 0, metadata, terms)
	if err == nil && n.App == "" {
		n.App = e.id
	}
	return err
}

// add adds an entity below another: it publishes itself, and is enrolled by two people.
// metadata are those of an app; nil for an intermediate.
func (n *Nation) add(
	ctx context.Context, superior *entity, host, path, name string, marked bool, metadata json.RawMessage, terms enrol.Terms,
) (*entity, error) {
	r, err := single.New(keys.EntityStatement)
	if err != nil {
		return nil, err
	}
	e := &entity{id: federation.EntityID("https://" + host + path), name: name, ring: r}
	o := authority.Options{ID: e.id, Organization: name, Superiors: []federation.EntityID{superior.id}, Ring: r}
	if metadata == nil {
		e.registry = newRegistry()
		o.Registry = e.registry
	} else {
		o.Metadata = func() (map[federation.EntityType]json.RawMessage, error) {
			return map[federation.EntityType]json.RawMessage{federation.RelyingParty: metadata}, nil
		}
		if marked {
			token, err := n.grant(ctx, e.id)
			if err != nil {
				return nil, err
			}
			o.Marks = []statement.Mark{{Type: n.markKind(), JWT: token}}
		}
	}
	e.Authority = authority.New(o)
	n.entities = append(n.entities, e)
	n.serve(e)
	return e, enrolled(ctx, superior, e, terms)
}

// grant is a mark of the anchor for an entity.
func (n *Nation) grant(ctx context.Context, id federation.EntityID) (string, error) {
	m, err := enrol.Mark{Type: n.markKind(), Subject: id}.Grant("an operator", time.Time{}, time.Now())
	if err != nil {
		return "", err
	}
	m.Revision = 1
	n.anchor.registry.marks[m.Type+" "+string(id)] = m
	return n.anchor.Mark(ctx, m)
}

// enrolled goes the way of `hopnhat federation subordinate`: propose, then approve.
func enrolled(ctx context.Context, superior, e *entity, terms enrol.Terms) error {
	token, err := e.Configuration(ctx)
	if err != nil {
		return err
	}
	c, err := statement.Parse(token)
	if err != nil {
		return err
	}
	now := time.Now()
	t, err := enrol.FromConfiguration(c, superior.id, now)
	if err != nil {
		return err
	}
	t.Agreement, t.Level, t.Until = "01/2026/LD", 3, now.AddDate(1, 0, 0)
	t.Policy, t.Constraints = terms.Policy, terms.Constraints
	s, err := enrol.Subordinate{ID: e.id}.Propose(superior.id, t, "an operator", "", now)
	if err == nil {
		s, err = s.Approve(superior.id, t.Digest(), "a second operator", now)
	}
	s.Revision = 1
	superior.registry.subordinates[e.id] = s
	return err
}

// serve puts the endpoints of an entity at its paths.
func (n *Nation) serve(e *entity) {
	host, path, _ := strings.Cut(strings.TrimPrefix(string(e.id), "https://"), "/")
	if path != "" {
		path = "/" + path
	}
	if n.servers[host] == nil {
		n.servers[host] = http.NewServeMux()
	}
	for at, handle := range e.Handlers() {
		n.servers[host].HandleFunc(path+at, handle)
	}
}

// certify makes the certificate of all servers, which is its own authority.
func (n *Nation) certify(hosts []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Hopnhat demonstration"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(strings.Split(host, ":")[0]))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	n.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	n.pool = x509.NewCertPool()
	n.pool.AppendCertsFromPEM(n.CA)
	n.pair = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return nil
}

// Client is one that believes the certificate of the servers.
func (n *Nation) Client() *http.Client {
	settings := &tls.Config{RootCAs: n.pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: settings}, Timeout: 10 * time.Second}
}

// Anchor is the name of the trust anchor.
func (n *Nation) Anchor() federation.EntityID { return n.anchor.id }

// Entities counts all there are.
func (n *Nation) Entities() int { return len(n.entities) }

// Revoke ends the enrolment of an entity at its superior.
func (n *Nation) Revoke(id federation.EntityID) error {
	for _, e := range n.entities {
		if e.registry == nil {
			continue
		}
		if s, err := e.registry.Subordinate(context.Background(), id); err == nil {
			revoked, err := s.Revoke("os-user:demo@localhost", "a drill", time.Now())
			if err == nil {
				e.registry.keep(revoked)
			}
			return err
		}
	}
	return fmt.Errorf("nobody states %s", id)
}

// Restarted is a resolver as it is after a start: it knows what the file holds.
func (n *Nation) Restarted() *resolver.Resolver { return resolver.New(n.options) }

// Start listens at every address.
func (n *Nation) Start(ctx context.Context) error {
	for host, mux := range n.servers {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", host)
		if err != nil {
			return errors.Join(fmt.Errorf("listening on %s: %w; the whole of %s has to be this machine, as on Linux; choose another --port if it is in use",
				host, err, Network), n.Stop())
		}
		s := &http.Server{
			Handler: mux, ReadHeaderTimeout: 5 * time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{n.pair}, MinVersion: tls.VersionTLS12},
			ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
		}
		n.running = append(n.running, s)
		go func() { _ = s.ServeTLS(l, "", "") }()
	}
	return nil
}

// Stop ends all servers.
func (n *Nation) Stop() (err error) {
	for _, s := range n.running {
		err = errors.Join(err, s.Close())
	}
	return err
}
