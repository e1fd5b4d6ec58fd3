package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/consent"
	"hopnhat/authz/policy"
)

// vouched is an operator's word for an app.
var vouched = authz.Verification{By: "operator:an@desk", At: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)}

func init() { slog.SetDefault(slog.New(slog.DiscardHandler)) } // faults are told in the log

var noon = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)

// nation is a small nation in memory. It keeps what the real parts promise, and
// complains when the broker breaks one of theirs.
type nation struct {
	t interface {
		Errorf(string, ...any)
		Fatal(...any)
	}
	mu    sync.Mutex
	state state
	now   time.Time

	clients  map[authz.ClientID]*authz.Client
	births   map[authz.PersonID]string
	lives    map[authz.PersonID]string
	reads    [][]authz.AttributeID
	consents *consent.Consents
	broker   *Broker

	// fault fails the named effect once: before it, or after it (the effect is
	// there and its answer is lost).
	fault  string
	during map[string]func() // runs once, when the named effect is about to happen
}

type state struct {
	grants   map[authz.GrantID]Permission
	current  map[authz.ConsentID]consent.Consent
	versions map[authz.ConsentID][]consent.Version
	uses     map[string]int
	rows     map[string]audit.Recorded
	numbers  map[string]int64
	log      []string
	locked   map[authz.Subject]bool
}

func (s state) clone() state {
	s.grants, s.current, s.versions = maps.Clone(s.grants), maps.Clone(s.current), maps.Clone(s.versions)
	s.uses, s.rows, s.locked, s.log = maps.Clone(s.uses), maps.Clone(s.rows), maps.Clone(s.locked), slices.Clone(s.log)
	s.numbers = maps.Clone(s.numbers)
	return s
}

var errFault = errors.New("a fault of the test")

func (n *nation) failing(effect string) error {
	if n.fault == effect {
		n.fault = ""
		return errFault
	}
	return nil
}

func (n *nation) happening(effect string) {
	if do := n.during[effect]; do != nil {
		delete(n.during, effect)
		do()
	}
}

type inTx struct{}

func (n *nation) Tx(ctx context.Context, fn func(context.Context) error) error {
	if ctx.Value(inTx{}) != nil {
		return fn(ctx)
	}
	n.happening("tx")
	var after []func(context.Context) error
	if err := n.commit(context.WithValue(ctx, inTx{}, &after), fn); err != nil {
		return err
	}
	var failed []error
	for _, do := range after {
		failed = append(failed, do(ctx))
	}
	return errors.Join(failed...)
}

func (n *nation) commit(ctx context.Context, fn func(context.Context) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.state.clone()
	if err := fn(ctx); err != nil {
		n.state = before
		return err
	}
	if err := n.failing("before commit"); err != nil {
		n.state = before
		return err
	}
	return n.failing("after commit")
}

func (n *nation) AfterCommit(ctx context.Context, do func(context.Context) error) error {
	if after, ok := ctx.Value(inTx{}).(*[]func(context.Context) error); ok {
		*after = append(*after, do)
		return nil
	}
	return do(ctx)
}

// lock takes the database for one statement, unless a transaction has it.
func (n *nation) lock(ctx context.Context) func() {
	if ctx.Value(inTx{}) != nil {
		return func() {}
	}
	n.mu.Lock()
	return n.mu.Unlock
}

func (n *nation) Live(ctx context.Context, id authz.GrantID, registry authz.RegistryID, purpose authz.PurposeID) (Permission, error) {
	defer n.lock(ctx)()
	if err := n.failing("live"); err != nil {
		return Permission{}, err
	}
	p, ok := n.state.grants[id]
	if !ok {
		return Permission{}, authz.ErrNotFound
	}
	p.Locked = n.state.locked[p.Actor]
	for _, c := range n.state.current {
		if c.Subject == p.Actor && c.Client == p.Client && c.Purpose == purpose && c.Registry == registry {
			p.Consent = &c
		}
	}
	newest := ""
	for id, row := range n.state.rows {
		if p.Consent == nil || row.Event.Type != audit.ConsentApproved || row.Event.Consent.ID != p.Consent.ID || id < newest {
			continue
		}
		newest = id
		canonical, err := row.Event.Canonical()
		if err != nil {
			n.t.Fatal(err)
		}
		agreed, err := commitment.GroundOf(canonical, row.Salt, slices.Contains(n.state.log, id))
		if err != nil {
			n.t.Fatal(err)
		}
		p.Agreed = &agreed
	}
	return p, nil
}

func (n *nation) RecordHolding(ctx context.Context, e audit.Sealed, h audit.Hold) error {
	if e.Event.Payload.Digest == "" {
		n.t.Errorf("an event of a release without a digest of what was read")
	}
	if err := n.hold(h); err != nil {
		return err
	}
	return n.Record(ctx, e)
}

func (n *nation) NextNumber(ctx context.Context, pseudonym string, h *audit.Hold) (int64, error) {
	if ctx.Value(inTx{}) == nil {
		n.t.Errorf("an event was numbered outside the commit of its row")
	}
	if h != nil {
		if err := n.hold(*h); err != nil {
			return 0, err
		}
	}
	n.state.numbers[pseudonym]++
	return n.state.numbers[pseudonym], nil
}

func (n *nation) hold(h audit.Hold) error {
	g, ok := n.state.grants[h.Grant]
	if !ok || !g.GrantLive && !(h.Redeeming && g.Unredeemed) || n.state.locked[g.Actor] && !h.Locked {
		return authz.ErrConflict
	}
	if c := n.state.current[h.Consent]; h.Consent != "" && (c.Version != h.Version || c.State != consent.Approved) {
		return authz.ErrConflict
	}
	if len(h.Clients) == 0 {
		n.t.Errorf("a release held no app")
	}
	for _, id := range h.Clients {
		if c, ok := n.clients[id]; !ok || c.Disabled {
			return authz.ErrConflict
		}
	}
	return nil
}

func (n *nation) CountUse(ctx context.Context, u Use) error {
	if ctx.Value(inTx{}) == nil {
		n.t.Errorf("a use was counted outside the commit of its event")
	}
	key := u.Permission + " " + u.Day
	if n.state.uses[key] >= u.Limit {
		return ErrUsedUp
	}
	n.state.uses[key]++
	return nil
}

func (n *nation) Record(ctx context.Context, events ...audit.Sealed) error {
	n.happening("record")
	defer n.lock(ctx)()
	if err := errors.Join(ctx.Err(), n.failing("before record")); err != nil {
		return err
	}
	for _, e := range events {
		if err := e.Event.Check(); err != nil {
			n.t.Errorf("an event that cannot be evidence: %v", err)
		}
		n.state.rows[e.Event.ID] = audit.Recorded{Event: e.Event, Salt: e.Salt}
	}
	return n.failing("after record")
}

func (n *nation) AppendLeaf(ctx context.Context, s audit.Sealed) (audit.Place, error) {
	id := s.Event.ID
	n.happening("append")
	n.mu.Lock()
	defer n.mu.Unlock()
	row, ok := n.state.rows[id]
	if want, err := audit.Leaf(row.Event, row.Salt); !ok || err != nil || !bytes.Equal(s.Leaf, want) {
		n.t.Errorf("the leaf of an event came before its row (%v)", err)
	}
	if err := errors.Join(ctx.Err(), n.failing("before append")); err != nil {
		return audit.Place{}, err
	}
	n.state.log = append(n.state.log, id)
	return audit.Place{Origin: "hopnhat.test/release", Index: uint64(len(n.state.log) - 1)}, n.failing("after append")
}

// Ensure appends what is not in the log.
func (n *nation) Ensure(ctx context.Context, id string) error {
	n.mu.Lock()
	row, there := n.state.rows[id]
	logged := slices.Contains(n.state.log, id)
	n.mu.Unlock()
	if logged {
		return nil
	}
	s, err := row.Event.Seal(row.Salt)
	if !there || err != nil {
		n.t.Errorf("the event that a release rests on has no row (%v)", err)
	}
	_, err = n.AppendLeaf(ctx, s)
	return err
}

// AppendSoon may fail like any effect: the recorder then finds that the leaf is missing, and
// nobody is told. A withdrawal on the way of a release meets the fault meant for the release.
func (n *nation) AppendSoon(s audit.Sealed) {
	if _, err := n.AppendLeaf(context.Background(), s); err != nil && !errors.Is(err, errFault) {
		n.t.Errorf("the leaf of %v: %v", s.Event, err)
	}
}

func (n *nation) Consents(ctx context.Context, subject authz.Subject, client authz.ClientID) ([]consent.Consent, error) {
	defer n.lock(ctx)()
	var all []consent.Consent
	for _, c := range n.state.current {
		if c.Subject == subject && (client == "" || c.Client == client) {
			all = append(all, c)
		}
	}
	return all, nil
}

func (n *nation) Standing(ctx context.Context, subject authz.Subject, client authz.ClientID) (consent.Standing, error) {
	app, ok := n.clients[client]
	if !ok {
		return consent.Standing{}, authz.ErrNotFound
	}
	all, err := n.Consents(ctx, subject, client)
	return consent.Standing{Client: app, Consents: all}, err
}

func (n *nation) ExpireConsents(context.Context, time.Time, int) ([]consent.Consent, error) {
	return nil, errors.ErrUnsupported
}

func (n *nation) Announce(context.Context, []consent.Announcement) error { return nil }

func (n *nation) Names(_ context.Context, clients []authz.ClientID) (map[authz.ClientID]authz.LocalizedText, error) {
	names := map[authz.ClientID]authz.LocalizedText{}
	for _, id := range clients {
		if c, ok := n.clients[id]; ok {
			names[id] = c.Name
		}
	}
	return names, nil
}

func (n *nation) Consent(ctx context.Context, subject authz.Subject, id authz.ConsentID) (consent.Consent, error) {
	defer n.lock(ctx)()
	if c, ok := n.state.current[id]; ok && c.Subject == subject {
		return c, nil
	}
	return consent.Consent{}, authz.ErrNotFound
}

func (n *nation) Versions(ctx context.Context, id authz.ConsentID) ([]consent.Version, error) {
	defer n.lock(ctx)()
	return n.state.versions[id], nil
}

func (n *nation) Approve(_ context.Context, c consent.Consent, v consent.Version) (consent.Consent, error) {
	for _, have := range n.state.current {
		if have.Subject == c.Subject && have.Client == c.Client && have.Purpose == c.Purpose && have.Registry == c.Registry {
			c.ID, c.Version = have.ID, have.Version
		}
	}
	c.Version++
	c.State, c.Attributes, c.Basis, c.Frequency, c.DataLife = consent.Approved, v.Attributes, v.Basis, v.Frequency, v.DataLife
	c.ValidUntil, c.TextHash, c.Locale, c.At = v.ValidUntil, v.TextHash, v.Locale, v.At
	n.put(c, v)
	return c, nil
}

func (n *nation) Withdraw(_ context.Context, c consent.Consent, v consent.Version) error {
	if have := n.state.current[c.ID]; have.Version != c.Version || have.State != consent.Approved {
		return authz.ErrConflict
	}
	c.Version, c.State, c.At = v.Number, consent.Withdrawn, v.At
	n.put(c, v)
	return nil
}

func (n *nation) put(c consent.Consent, v consent.Version) {
	v.Consent, v.Number = c.ID, c.Version
	n.state.current[c.ID] = c
	n.state.versions[c.ID] = append(slices.Clone(n.state.versions[c.ID]), v)
}

func (n *nation) Read(
	_ context.Context, registry authz.RegistryID, person authz.PersonID, attributes []authz.AttributeID,
) ([]Record, error) {
	if registry != population || !slices.Contains(attributes, lifeStatus) {
		n.happening("register")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if registry == population && slices.Contains(attributes, lifeStatus) {
		birth, ok := n.births[person]
		if !ok {
			return nil, nil
		}
		return []Record{{string(birthDate): birth, string(lifeStatus): n.lives[person]}}, nil
	}
	if err := n.failing("register"); err != nil {
		return nil, err
	}
	n.reads = append(n.reads, attributes)
	if person == "person-nobody" {
		return nil, nil
	}
	// A connector that sends more than it was asked for.
	r := Record{"secret": "value of " + string(person), "health.hiv": "value"}
	for _, a := range attributes {
		r[string(a)] = "value of " + string(person)
	}
	return []Record{r}, nil
}

func (n *nation) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	if err := n.failing("client"); err != nil {
		return nil, err
	}
	if c, ok := n.clients[id]; ok && !c.Disabled {
		return c, nil
	}
	return nil, authz.ErrNotFound
}

func (n *nation) Audit(_ context.Context, subject authz.Subject) (string, error) {
	return "pseudonym-in-evidence-of-" + string(subject), nil
}

// BrokerAccess takes "DPoP <grant> <client>" for a checked token.
func (n *nation) BrokerAccess(r *http.Request) (Access, error) {
	fields := strings.Fields(r.Header.Get("Authorization"))
	if len(fields) != 3 {
		return Access{}, authz.NewError(authz.InvalidToken, "present one access token").Because(authz.ErrNoToken)
	}
	switch fields[1] {
	case "down":
		return Access{}, authz.AsError(authz.ErrUnavailable)
	case "nonce":
		return Access{}, authz.NewError(authz.UseDPoPNonce, "use the nonce")
	}
	a := Access{Grant: authz.GrantID(fields[1]), Client: authz.ClientID(fields[2]), Pairwise: "pairwise-an", NextNonce: "next"}
	if actors := strings.Split(fields[2], "+"); strings.Contains(fields[2], "+") { // newest first, the last is nobody
		a.Client = authz.ClientID(actors[0])
		for _, id := range actors[:len(actors)-1] {
			a.Actors = append(a.Actors, authz.ClientID(id))
		}
	}
	return a, nil
}

func (n *nation) Nonce() string { return "fresh" }

func (n *nation) BrokerSchemes() []string { return []string{`DPoP algs="ES256"`, "Bearer"} }

func (n *nation) ResourceMetadataURL() string {
	return "http://localhost/.well-known/oauth-protected-resource/broker/v1"
}

var (
	catalogue = consent.Load()
	engine    = func() *policy.Engine {
		e, err := policy.New(catalogue)
		if err != nil {
			panic(err)
		}
		return e
	}()
)

func found(t interface {
	Errorf(string, ...any)
	Fatal(...any)
},
) *nation {
	n := &nation{
		t: t, now: noon, during: map[string]func(){},
		state: state{
			grants: map[authz.GrantID]Permission{}, current: map[authz.ConsentID]consent.Consent{},
			versions: map[authz.ConsentID][]consent.Version{},
			uses:     map[string]int{}, rows: map[string]audit.Recorded{}, numbers: map[string]int64{}, locked: map[authz.Subject]bool{},
		},
		births: map[authz.PersonID]string{"person-an": "1985-04-03", "person-binh": "1979", "person-nobody": "1990-01-01", "person-con": "2015-02-01"},
		lives:  map[authz.PersonID]string{"person-an": "còn sống", "person-binh": "còn sống", "person-nobody": "còn sống", "person-con": "còn sống"},
		clients: map[authz.ClientID]*authz.Client{
			"land-app": {
				ID: "land-app", Name: authz.LocalizedText{VI: "Đất đai Đà Nẵng"}, Requests: authz.Requests{MinimumLevel: 2}, Verified: vouched,
				Releases: authz.Releases{
					Declarations: []authz.Declaration{
						{
							Purpose: "land.mortgage", Basis: authz.BasisConsent, Registry: "land", MaxDays: 7,
							Attributes: []authz.AttributeID{"land.certificate_no", "land.area", "land.encumbrance"}, Required: []authz.AttributeID{"land.certificate_no"},
						},
						{Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "population", Attributes: []authz.AttributeID{"population.full_name"}},
					},
				},
			},
			"tax-app": {
				ID: "tax-app", Name: authz.LocalizedText{VI: "Thuế"}, Requests: authz.Requests{MinimumLevel: 2},
				Releases: authz.Releases{
					Declarations: []authz.Declaration{{
						Purpose: "tax.income-proof", Basis: authz.BasisConsent, Registry: "tax", MaxDays: 1, Frequency: "2/day", Attributes: []authz.AttributeID{"tax.annual_income"},
					}},
				},
			},
		},
	}
	clock := func() time.Time { return n.now }
	scribe := &audit.Scribe{Rows: n, Leaves: n, Pseudonyms: n, Site: "dc1", Now: clock, Ground: n.Ensure}
	n.consents = &consent.Consents{
		Catalogue: catalogue, Store: n, Evidence: scribe, Broker: "http://localhost/broker/v1", Now: clock,
	}
	n.broker = &Broker{
		Verifier: n, Permissions: n, Register: n, Evidence: scribe, Pseudonyms: n, Clients: n, Catalogue: catalogue, Policy: engine,
		Now: clock,
	}
	return n
}

// agree does what the consent page and the provider do: record the consents and
// the grant that refers to them, in one commit.
func (n *nation) agree(subject authz.Subject, client authz.ClientID, wanted string) authz.GrantID {
	app := n.clients[client]
	releases, err := n.consents.Details([]byte(wanted), app)
	if err != nil {
		n.t.Fatal(err)
	}
	ticked := map[string]bool{}
	question := consent.Question{Client: client, Principal: authz.Herself(subject), Wanted: releases, Locale: "vi"}
	notice, err := n.consents.Notice(context.Background(), question)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, item := range notice.Items {
		ticked[item.ID] = true
		for _, a := range item.Attributes {
			ticked[a.ID] = true
		}
	}
	id := authz.GrantID(authz.NewID())
	err = n.Tx(context.Background(), func(ctx context.Context) error {
		granted, err := n.consents.Record(ctx, consent.Answer{
			Question: question, Shown: notice.Digest(), Session: "s", ACR: authz.AuthenticationLevel(2).ACR(), Ticked: ticked,
		})
		n.state.grants[id] = Permission{
			GrantLive: true, Client: client, Principal: authz.Herself(subject), Person: authz.PersonID("person-" + string(subject)),
			Kind: "citizen", Level: 2, Account: 2, Details: granted,
		}
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return id
}

const (
	wantLand = `[{"type":"vn_data_release","registry":"land","purpose":"land.mortgage","attributes":["land.certificate_no","land.area"]}]`
	wantTax  = `[{"type":"vn_data_release","registry":"tax","purpose":"tax.income-proof","attributes":["tax.annual_income"]}]`
	wantName = `[{"type":"vn_data_release","registry":"population","purpose":"dvc.prefill","attributes":["population.full_name"]}]`

	askLand = `{"registry":"land","purpose":"land.mortgage","attributes":["land.area","land.certificate_no"]}`
	askTax  = `{"registry":"tax","purpose":"tax.income-proof","attributes":["tax.annual_income"]}`
	askName = `{"registry":"population","purpose":"dvc.prefill","attributes":["population.full_name"]}`
)

// answer is what came back, release or problem.
type answer struct {
	status  int
	header  http.Header
	release releaseAnswer
	problem Problem
	raw     string
}

func (n *nation) ask(grant authz.GrantID, client authz.ClientID, body string) answer {
	r := httptest.NewRequest(http.MethodPost, "/broker/v1/releases", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "DPoP "+string(grant)+" "+string(client))
	return n.serve(r)
}

func (n *nation) serve(r *http.Request) answer {
	w := httptest.NewRecorder()
	n.broker.Releases(w, r)
	a := answer{status: w.Code, header: w.Header(), raw: w.Body.String()}
	into := any(&a.problem)
	want := "application/problem+json"
	if w.Code == http.StatusOK {
		into, want = &a.release, "application/json"
	}
	if got := w.Header().Get("Content-Type"); got != want {
		n.t.Errorf("status %d with Content-Type %q", w.Code, got)
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		n.t.Errorf("the answer is no JSON: %v", err)
	}
	if w.Code != http.StatusOK {
		p := a.problem
		if p.Status != w.Code || p.Code == "" || p.Title == "" || p.TitleVI == "" || p.Type != "urn:hopnhat:problem:"+p.Code ||
			strings.Contains(a.raw, "value of") {
			n.t.Errorf("a problem that says too little, or data: %s", a.raw)
		}
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		n.t.Errorf("an answer that may be kept")
	}
	return a
}

// check holds an answer against the evidence: what was released was on record
// and in the log before, it is no more than was granted, and it rests on a
// consent version that is approved now, or on a basis that needs none.
func (n *nation) check(a answer, asked string) {
	if a.status != http.StatusOK {
		return
	}
	row, ok := n.state.rows[a.release.ID]
	if !ok || row.Event.Type != audit.ReleasePermitted || !row.Event.Decision.Permit {
		n.t.Errorf("a release without its event")
		return
	}
	if int(a.release.Log.Index) >= len(n.state.log) || n.state.log[a.release.Log.Index] != a.release.ID {
		n.t.Errorf("a release without its leaf at the place named")
	}
	in, err := parse([]byte(asked))
	if err != nil {
		n.t.Fatal(err)
	}
	for _, r := range a.release.Records {
		for name := range r {
			if !slices.Contains(in.Attributes, authz.AttributeID(name)) ||
				!slices.Contains(row.Event.Data.Attributes, authz.AttributeID(name)) {
				n.t.Errorf("%s left, and was not asked for or not recorded", name)
			}
		}
	}
	on, basisOf := row.Event.Consent, row.Event.Reason.Basis
	if on.ID == "" {
		if basis, _ := catalogue.Basis(basisOf); basis.NeedsConsent || on.NoConsent == "" {
			n.t.Errorf("a release on %s without a consent", basisOf)
		}
		return
	}
	c := n.state.current[on.ID]
	versions := n.state.versions[on.ID]
	v := versions[on.Version-1]
	if c.Version != on.Version || c.State != consent.Approved || v.State != consent.Approved || v.Number != on.Version ||
		!row.Event.When.Decided.Before(v.ValidUntil) || row.Event.When.Decided.Before(v.At) {
		n.t.Errorf("a release on version %d of a consent that is %s in version %d", on.Version, c.State, c.Version)
	}
	for _, id := range row.Event.Data.Attributes {
		if !slices.Contains(v.Attributes, id) {
			n.t.Errorf("%s left, and the consent does not cover it", id)
		}
	}
	if a.release.Consent != c.Reference() {
		n.t.Errorf("the app was told of consent %q, recorded is %q", a.release.Consent, c.Reference())
	}
}
