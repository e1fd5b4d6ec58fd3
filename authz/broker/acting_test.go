package broker

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

const prefill = `{"registry":"population","purpose":"dvc.prefill","attributes":["population.full_name"]}`

// acting adds a back end that declares what the land app does, and a gateway that
// declares nothing.
func acting(t *testing.T, consented bool) (*nation, authz.GrantID) {
	t.Helper()
	n := found(t)
	land := n.clients["land-app"]
	backend := &authz.Client{
		ID: "backend", Name: authz.LocalizedText{VI: "Hậu trường"}, Requests: authz.Requests{MinimumLevel: 2}, Verified: vouched,
		Releases: authz.Releases{Declarations: slices.Clone(land.Declarations)},
	}
	n.clients["backend"], n.clients["gateway"] = backend, &authz.Client{
		ID: "gateway", Requests: authz.Requests{MinimumLevel: 2}, Verified: vouched,
	}
	if consented {
		for i := range land.Declarations {
			land.Declarations[i].Recipients = []authz.ClientID{"backend"}
		}
	}
	return n, n.agree("an", "land-app", landAndName)
}

const landAndName = `[
	{"type":"vn_data_release","registry":"land","purpose":"land.mortgage","attributes":["land.certificate_no","land.area"]},
	{"type":"vn_data_release","registry":"population","purpose":"dvc.prefill","attributes":["population.full_name"]}]`

const landArea = `{"registry":"land","purpose":"land.mortgage","attributes":["land.area"]}`

// TestAnAppThatActsForAnother: a result is for one relying party only (Decree
// 69/2024/NĐ-CP Art. 19(4)); the record names who was agreed with and who acts.
func TestAnAppThatActsForAnother(t *testing.T) {
	for _, row := range []struct {
		name   string
		named  bool // the person read the back end's name
		client authz.ClientID
		body   string
		change func(n *nation)
		code   string // empty: released
	}{
		{"on a basis without consent its own declaration is enough", false, "backend+", prefill, nil, ""},
		{"on a basis without consent, and nobody vouches for it", false, "backend+", prefill, func(n *nation) {
			n.clients["backend"].Verified = authz.Verification{}
		}, "agency-unverified"},
		{"on consent it was named", true, "backend+", landArea, nil, ""},
		{"on consent it was not named", false, "backend+", landArea, nil, "recipient-not-named"},
		{"without a declaration of its own", true, "gateway+", prefill, nil, "actor-not-declared"},
		{"an app between without a declaration", true, "backend+gateway+", prefill, nil, "actor-not-declared"},
		{"its declaration covers less", true, "backend+", landArea, func(n *nation) {
			for i := range n.clients["backend"].Declarations {
				n.clients["backend"].Declarations[i].Attributes = []authz.AttributeID{"land.certificate_no"}
			}
		}, "actor-not-declared"},
		{"its declaration is over", true, "backend+", prefill, func(n *nation) {
			for i := range n.clients["backend"].Declarations {
				n.clients["backend"].Declarations[i].ExpiresAt = n.now
			}
		}, "actor-not-declared"},
		{"it accepts a higher level only", true, "backend+", prefill, func(n *nation) { n.clients["backend"].MinimumLevel = 3 }, "level-too-low"},
		{"named after the person agreed", false, "backend+", landArea, func(n *nation) {
			for i := range n.clients["land-app"].Declarations {
				n.clients["land-app"].Declarations[i].Recipients = []authz.ClientID{"backend"}
			}
		}, "recipient-not-named"},
		{"not named any more", true, "backend+", landArea, func(n *nation) {
			for i := range n.clients["land-app"].Declarations {
				n.clients["land-app"].Declarations[i].Recipients = nil
			}
		}, "recipient-not-named"},
		{"the app acted for is gone", true, "backend+", prefill, func(n *nation) { delete(n.clients, "land-app") }, "grant-ended"},
		{"an app that does not act has no part in another's grant", true, "backend", prefill, nil, "grant-ended"},
	} {
		t.Run(row.name, func(t *testing.T) {
			n, grant := acting(t, row.named)
			if row.change != nil {
				row.change(n)
			}
			a := n.ask(grant, row.client, row.body)
			if row.code != "" {
				if a.status == 200 || a.problem.Code != row.code {
					t.Fatalf("got %d %s, want %s", a.status, a.problem.Code, row.code)
				}
				return
			}
			if a.status != 200 {
				t.Fatalf("%d %s", a.status, a.raw)
			}
			var e audit.Event
			for _, r := range n.state.rows {
				if r.Event.Type == audit.ReleasePermitted {
					e = r.Event
				}
			}
			if e.Asked.Client != "backend" || e.Detail.Action != "acting-for" || e.Detail.Object != "land-app" ||
				e.Detail.Text != "backend" || e.Detail.Count != 1 {
				t.Errorf("the record says %+v %+v", e.Asked, e.Detail)
			}
		})
	}
}

// TestTheSignInMayBeTooOld: RFC 9470 §3, by the app's own declaration.
func TestTheSignInMayBeTooOld(t *testing.T) {
	n := found(t)
	for i := range n.clients["land-app"].Declarations {
		n.clients["land-app"].Declarations[i].MaxAuthAge = 300
	}
	grant := n.agree("an", "land-app", landAndName)
	p := n.state.grants[grant]
	p.AuthTime = n.now.Add(-5 * time.Minute)
	n.state.grants[grant] = p
	if a := n.ask(grant, "land-app", prefill); a.status != 200 {
		t.Fatalf("five minutes old: %d %s", a.status, a.raw)
	}
	p.AuthTime = n.now.Add(-5*time.Minute - time.Second)
	n.state.grants[grant] = p
	a := n.ask(grant, "land-app", prefill)
	challenge := a.header.Get("WWW-Authenticate")
	if a.status != 401 || a.problem.Code != "sign-in-too-old" ||
		!strings.Contains(challenge, `error="insufficient_user_authentication"`) || !strings.Contains(challenge, `max_age="300"`) ||
		!strings.Contains(challenge, `resource_metadata="http://localhost/.well-known/oauth-protected-resource/broker/v1"`) {
		t.Errorf("%d %s %q", a.status, a.problem.Code, challenge)
	}
}
