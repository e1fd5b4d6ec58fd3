package node

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/authorize"
	"hopnhat/authz/claims"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/consent"
	"hopnhat/authz/identity"
	"hopnhat/authz/session"
	"hopnhat/authz/token"
	"hopnhat/cmd/node/recorded"
	"hopnhat/cmd/node/registers"
	"hopnhat/store/registry"
)

// enrolled is an account of a person of the nation, with an address that was verified.
func enrolled(t *testing.T, n *Node, p registry.Person) authz.Subject {
	t.Helper()
	subject, now := authz.Subject(authz.NewID()), time.Now().UTC()
	account := identity.Account{
		Subject: subject, Kind: authz.Kind(p.Kind), Person: authz.PersonID(p.ID), Name: p.Name, Level: 2, Created: now,
	}
	err := n.DB.InsertAccount(
		t.Context(), account, authz.PersonalNumber("099000000001"), authn.Held{ID: "f", Kind: authn.PasswordFactor, Secret: []byte("hash")},
	)
	if err = errors.Join(err, n.Contacts().Set(t.Context(), subject, identity.Email, "an@example.vn", now)); err != nil {
		t.Fatal(err)
	}
	return subject
}

func adults(t *testing.T, n *Node) []registry.Person {
	t.Helper()
	people, err := n.registry.Adults(t.Context(), 60)
	if err != nil || len(people) == 0 {
		t.Fatal(len(people), err)
	}
	return people
}

// said are the claims of a signed token.
func said(t *testing.T, signed string) map[string]any {
	t.Helper()
	parts := strings.Split(signed, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWS", signed)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var all map[string]any
	if err := errors.Join(err, json.Unmarshal(raw, &all)); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestParts: what one part of a node says, the other is told whole.
func TestParts(t *testing.T) {
	n := started(t, configured(t))
	people := adults(t, n)
	subject := enrolled(t, n, people[0])
	app := &authz.Client{ID: "app", Profile: authz.OIDC, Name: authz.LocalizedText{VI: "Ứng dụng", EN: "App"}}
	app.Sector, app.SigningAlg = "app.example", "ES256"
	if err := n.DB.SaveClient(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	pairwise, err := n.Pseudonyms.Pairwise(t.Context(), app.Sector, subject)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("sessions", func(t *testing.T) { sessionsAreShown(t, n, subject) })
	t.Run("registers", func(t *testing.T) { registersAnswer(t, n, people) })
	t.Run("apps", func(t *testing.T) {
		if c, err := (directory{n.directory}).Client(t.Context(), app.ID); err != nil || c.ID != app.ID || c.Sector != app.Sector {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := (directory{n.directory}).Client(t.Context(), "nobody"); !errors.Is(err, clientauth.ErrUnknownClient) {
			t.Errorf("an unknown app: %v", err)
		}
	})
	t.Run("logout tokens", func(t *testing.T) {
		signed, err := logoutToken(n.provider)(
			t.Context(), session.Delivery{ID: authz.NewID(), Client: app.ID, Subject: subject, Session: "s-1"},
		)
		if err != nil {
			t.Fatal(err)
		}
		if got := said(t, signed); got["aud"] != "app" || got["sub"] != string(pairwise) || got["sid"] != n.Pseudonyms.SID("s-1", app.ID) {
			t.Errorf("it says %v", got)
		}
	})
	t.Run("notices of withdrawal", func(t *testing.T) { noticesSay(t, n, subject, string(pairwise)) })
	t.Run("what the broker decided against is left out", func(t *testing.T) {
		demand := authz.Demand{Grant: "none", Client: app.ID, Registry: "tax", Purpose: "tax.declare", Attributes: []authz.AttributeID{"tax.arrears"}, RequestID: "r-1"}
		if got, ok, err := (releaser{n.broker}).Release(t.Context(), demand); ok || err != nil || got.Values != nil {
			t.Errorf("%+v, %v, %v", got, ok, err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, ok, err := (releaser{n.broker}).Release(gone, demand); ok || err == nil {
			t.Error("a release that could not be decided is taken for a refusal")
		}
	})
	t.Run("evidence that was just written has its place", func(t *testing.T) {
		written, err := n.scribe.Write(t.Context(), audit.Act{Action: audit.AccountEnrol, Subject: subject})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.recorder.Close(); err != nil { // its leaf is there; of several calls the first closes it
			t.Fatal(err)
		}
		got, err := (recorded.Evidence{DB: n.DB, Recorder: n.recorder, Leaf: n.log.Leaf}).Get(t.Context(), written[0].Event.ID)
		if err != nil || !got.Logged || !strings.Contains(got.Origin, "/consent/") { // accounts are of that log
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func sessionsAreShown(t *testing.T, n *Node, subject authz.Subject) {
	show := signedIn{n.sessions, 3}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/authorize", nil)
	if got, ok, err := show.Current(r); ok || err != nil || !reflect.DeepEqual(got, authorize.SignedIn{Reachable: 3}) {
		t.Errorf("nobody is signed in: %+v, %v, %v", got, ok, err)
	}
	secret := strings.Repeat("s", session.SecretLength)
	at := time.Now().UTC().Truncate(time.Second)
	began, err := n.sessions.Begin(t.Context(), directory{n.directory}, session.SignIn{Subject: subject, Methods: []string{"pwd", "otp"}, At: at, Secret: secret}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: n.sessions.CookieName(), Value: secret})
	got, ok, err := show.Current(r)
	want := authorize.SignedIn{
		ID: began.ID, Principal: authz.Herself(subject), AuthTime: got.AuthTime, Methods: []string{"pwd", "otp"}, Level: began.Level,
		Account: 2, Reachable: 3, Kind: authz.Citizen,
	}
	if err != nil || !ok || !got.AuthTime.Equal(at) || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, %v\nwant %+v", got, ok, err, want)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok, err := show.Current(r.WithContext(gone)); ok || err == nil {
		t.Error("a database that does not answer is taken for nobody being signed in")
	}
}

// registersAnswer: each register of the catalogue of the law has a connector, which gives the
// attributes asked for and no others; mandates are those of the business register.
func registersAnswer(t *testing.T, n *Node, people []registry.Person) {
	all, known := registers.All(n.Catalogue, n.registry, n.Contacts()), map[authz.RegistryID]int{}
	for _, r := range n.Catalogue.Registries {
		var names []authz.AttributeID
		for _, a := range r.Attributes[:min(2, len(r.Attributes))] {
			names = append(names, a.ID)
		}
		for _, p := range people {
			rows, err := all.Read(t.Context(), r.ID, authz.PersonID(p.ID), names)
			if err != nil {
				t.Fatalf("%s: %v", r.ID, err)
			}
			for _, row := range rows {
				known[r.ID]++
				for name := range maps.Keys(row) {
					if !slices.Contains(names, authz.AttributeID(name)) {
						t.Errorf("%s says %s, which was not asked for", r.ID, name)
					}
				}
			}
		}
	}
	for _, id := range []authz.RegistryID{"civil", "tax", claims.EID} { // some others are of organisations, or of few people
		if known[id] == 0 {
			t.Errorf("%s knows nothing of %d people", id, len(people))
		}
	}
	represented := 0
	for _, p := range people {
		found, err := n.registry.RepresentedBy(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		got, err := registers.Mandates{DB: n.registry}.RepresentedBy(t.Context(), authz.PersonID(p.ID), 1)
		if err != nil || len(got) != min(1, len(found)) {
			t.Fatalf("%d of %d mandates, %v", len(got), len(found), err)
		}
		for i, m := range got {
			represented++
			o, err := n.registry.Organisation(t.Context(), found[i].Organisation)
			want := identity.Mandate{
				Organisation: o.Name, Code: o.Code, Status: o.Status, Title: found[i].Title, Joint: found[i].Joint,
				ValidFrom: found[i].ValidFrom, ValidTo: found[i].ValidTo,
			}
			if err != nil || m != want || m.Code == "" || m.Title == "" {
				t.Errorf("%+v, want %+v, %v", m, want, err)
			}
		}
	}
	if represented == 0 {
		t.Error("nobody represents anything")
	}
}

// noticesSay: a notice is about the consent that its delivery names, and has the time of the
// withdrawal.
func noticesSay(t *testing.T, n *Node, subject authz.Subject, pairwise string) {
	now := time.Now().UTC()
	c, err := n.DB.Approve(t.Context(), consent.Consent{
		ID: authz.ConsentID(authz.NewID()), Subject: subject, Client: "app", Purpose: "land.mortgage", Registry: "land",
	}, consent.Version{
		State: consent.Approved, Attributes: []authz.AttributeID{"land.area"}, Offered: []authz.AttributeID{"land.area"}, Basis: authz.BasisConsent,
		Frequency: "unlimited", ValidUntil: now.AddDate(0, 0, 30), TextHash: "h", Locale: "vi", Channel: "web",
		ACR: "urn:vn:gov:eid:auth-level:2", Session: "s", Principal: authz.Herself(subject), At: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	d := session.Delivery{ID: authz.NewID(), Client: "app", Subject: subject, About: string(c.ID) + "#1"}
	signed, err := consentNotice(n.provider, n.consents)(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	got := said(t, signed)
	events, _ := got["events"].(map[string]any)
	want := map[string]any{
		"consent_reference": d.About, "purpose": "land.mortgage", "registry": "land",
		"process_by": d.Queued().AddDate(0, 0, consent.DaysToProcess).UTC().Format(time.DateOnly),
	}
	if got["aud"] != "app" || got["sub"] != pairwise || got["jti"] != d.ID || got["toe"] != float64(d.Queued().Unix()) ||
		!reflect.DeepEqual(events[token.WithdrawnEvent], want) {
		t.Errorf("it says %v, want %v", got, want)
	}
	d.Subject = "somebody-else"
	if _, err := consentNotice(n.provider, n.consents)(t.Context(), d); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("a notice of another person's consent: %v", err)
	}
}
