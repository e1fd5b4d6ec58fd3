package broker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/consent"
	"hopnhat/authz/policy"
)

func (n *nation) withdraw(subject authz.Subject, client authz.ClientID) error {
	mine, err := n.consents.Current(context.Background(), subject, client)
	if err != nil || len(mine) == 0 {
		return errors.New("nothing to withdraw")
	}
	return n.consents.Withdraw(context.Background(), consent.Withdrawal{
		Client: n.clients[client], Principal: authz.Herself(subject), ID: mine[0].ID, Shown: mine[0].Reference(), Session: "s",
		Locale: "vi",
	})
}

// refused counts the refusals on record.
func (n *nation) refused() (codes []string) {
	for _, row := range n.state.rows {
		if row.Event.Type == audit.ReleaseRefused {
			codes = append(codes, row.Event.Decision.Code)
		}
	}
	return codes
}

func TestAReleaseIsRecordedLoggedAndOnlyWhatWasGranted(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	a := n.ask(grant, "land-app", `{"registry":"land","purpose":"land.mortgage","attributes":["land.area"],"case_reference":"HS-1"}`)
	n.check(a, askLand)
	if a.status != 200 || a.release.Subject != "pairwise-an" || a.release.Basis != authz.BasisConsent ||
		a.release.Log.Origin != "hopnhat.test/release" ||
		len(a.release.Records) != 1 || len(a.release.Records[0]) != 1 || a.release.Records[0]["land.area"] != "value of person-an" {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	if a.header.Get("DPoP-Nonce") != "next" {
		t.Fatal("the next nonce was not handed on (RFC 9449 §8.2)")
	}
	e := n.state.rows[a.release.ID].Event
	if e.Reason.CaseReference != "HS-1" || e.Trace.Grant != grant || e.Person.Pseudonym == "" || e.Decision.PolicyHash == "" ||
		e.Data.Form != "value" ||
		e.Consent.Text == "" || e.Visibility.Sight != audit.Visible {
		t.Fatalf("the event says too little: %+v", e.Reason)
	}
	if !slices.Equal(n.reads[0], []authz.AttributeID{"land.area"}) {
		t.Fatalf("the register was asked for %v", n.reads[0])
	}
}

func TestAStateAgencyNeedsNoConsent(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantName)
	a := n.ask(grant, "land-app", askName)
	n.check(a, askName)
	if a.status != 200 || a.release.Consent != "" {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
}

// Each refusal by the one thing that is wrong: its code, its status, and that it
// is on record.
func TestRefusals(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(n *nation, grant *authz.GrantID, client *authz.ClientID, body *string)
		status int
		code   string
	}{
		{"the consent was withdrawn", func(n *nation, _ *authz.GrantID, _ *authz.ClientID, _ *string) { must(n, n.withdraw("an", "land-app")) }, 403, "consent-withdrawn"},
		{"the consent has expired", func(n *nation, _ *authz.GrantID, _ *authz.ClientID, _ *string) { n.now = n.now.AddDate(0, 0, 7) }, 403, "permission-expired"},
		{"the consent of another person", func(n *nation, g *authz.GrantID, _ *authz.ClientID, _ *string) {
			n.agree("binh", "land-app", wantLand)
			n.refer(*g, "binh", "land-app")
		}, 403, "consent-of-another"},
		{"the consent of another app", func(n *nation, g *authz.GrantID, _ *authz.ClientID, _ *string) {
			n.agree("an", "tax-app", wantTax)
			n.refer(*g, "an", "tax-app")
		}, 403, "consent-of-another"},
		{"the grant of another app", func(n *nation, _ *authz.GrantID, c *authz.ClientID, _ *string) { *c = "tax-app" }, 401, "grant-ended"},
		{"no such grant", func(_ *nation, g *authz.GrantID, _ *authz.ClientID, _ *string) { *g = "none" }, 401, "grant-ended"},
		{"the grant was revoked", func(n *nation, g *authz.GrantID, _ *authz.ClientID, _ *string) { n.revoke(*g) }, 401, "grant-ended"},
		{"the account is locked", func(n *nation, _ *authz.GrantID, _ *authz.ClientID, _ *string) { n.state.locked["an"] = true }, 403, "account-locked"},
		{"the account is locked, which revoked the grants", func(n *nation, g *authz.GrantID, _ *authz.ClientID, _ *string) {
			n.state.locked["an"] = true
			n.revoke(*g)
		}, 403, "account-locked"},
		{"the level is too low for the app", func(n *nation, _ *authz.GrantID, _ *authz.ClientID, _ *string) {
			n.clients["land-app"].MinimumLevel = 3
		}, 401, "level-too-low"},
		{"the person died", func(n *nation, _ *authz.GrantID, _ *authz.ClientID, _ *string) { n.lives["person-an"] = "đã chết" }, 403, "subject-dead"},
		{"a child's consent", func(n *nation, _ *authz.GrantID, _ *authz.ClientID, _ *string) { n.births["person-an"] = "2015-01-01" }, 403, "child-needs-representative"},
		{"someone who may turn 18 this year", func(n *nation, _ *authz.GrantID, _ *authz.ClientID, _ *string) { n.births["person-an"] = "2008" }, 403, "child-needs-representative"},
		{"someone of unknown age", func(n *nation, _ *authz.GrantID, _ *authz.ClientID, _ *string) { delete(n.births, "person-an") }, 403, "age-unknown"},
		{"an attribute she did not tick", func(_ *nation, _ *authz.GrantID, _ *authz.ClientID, b *string) {
			*b = strings.Replace(*b, "land.area", "land.encumbrance", 1)
		}, 403, "attribute-not-granted"},
		{"an attribute the app did not declare", func(_ *nation, _ *authz.GrantID, _ *authz.ClientID, b *string) {
			*b = strings.Replace(*b, "land.area", "land.parcel_id", 1)
		}, 403, "not-declared"},
		{"a purpose that was not granted", func(_ *nation, _ *authz.GrantID, _ *authz.ClientID, b *string) {
			*b = askName
		}, 403, "not-granted"},
		{"a purpose that does not exist", func(_ *nation, _ *authz.GrantID, _ *authz.ClientID, b *string) {
			*b = strings.Replace(*b, "land.mortgage", "no.such", 1)
		}, 403, "purpose-unknown"},
		{"marketing, by name", func(_ *nation, _ *authz.GrantID, _ *authz.ClientID, b *string) {
			*b = strings.Replace(*b, "land.mortgage", "marketing.any", 1)
		}, 403, "purpose-forbidden"},
		{"the declaration was taken back", func(n *nation, _ *authz.GrantID, _ *authz.ClientID, _ *string) {
			n.clients["land-app"].Declarations = nil
		}, 403, "not-declared"},
		{"about another person", func(_ *nation, _ *authz.GrantID, _ *authz.ClientID, b *string) {
			*b = strings.Replace(*b, "{", `{"subject":"pairwise-binh",`, 1)
		}, 403, "subject-of-another"},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := found(t)
			grant, client, body := n.agree("an", "land-app", wantLand), authz.ClientID("land-app"), askLand
			row.change(n, &grant, &client, &body)
			a := n.ask(grant, client, body)
			n.check(a, body)
			if a.status != row.status || a.problem.Code != row.code && !slices.Contains(a.problem.Codes, row.code) {
				t.Fatalf("got %d %s, want %d %s", a.status, a.raw, row.status, row.code)
			}
			if codes := n.refused(); len(codes) != 1 || codes[0] != a.problem.Code {
				t.Fatalf("on record: %v", codes)
			}
			if event := strings.TrimPrefix(a.problem.Instance, "urn:uuid:"); n.state.log[len(n.state.log)-1] != event {
				t.Fatal("the refusal is not in the log")
			}
			if len(n.reads) != 0 {
				t.Fatal("the register was read for a refused release")
			}
			if a.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "DPoP ") {
				t.Fatalf("401 with WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
			}
		})
	}
}

func must(n *nation, err error) {
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *nation) revoke(id authz.GrantID) {
	p := n.state.grants[id]
	p.GrantLive = false
	n.state.grants[id] = p
}

// refer lets a grant refer to the consent of another person or app.
func (n *nation) refer(id authz.GrantID, subject authz.Subject, client authz.ClientID) {
	other, _ := n.Consents(context.Background(), subject, client)
	p := n.state.grants[id]
	p.Details = slices.Clone(p.Details)
	p.Details[0].ConsentReference = other[0].Reference()
	n.state.grants[id] = p
}

// A case reference that cannot stand in a record is a 400 with evidence, which does not
// hold it; what fits is recorded.
func TestCaseReferences(t *testing.T) {
	for _, row := range []struct {
		name, pattern, text string
		fits, odd           bool // odd: refused with the whole body
	}{
		{"of the one-door system", "", "000.00.16.H20-230510-0012", true, false},
		{"of letters", "", "12/HS-STNMT", true, false},
		{"of the agency's form", `DN-[0-9]{6}`, "DN-000123", true, false},
		{"not of the agency's form", `DN-[0-9]{6}`, "12/HS-STNMT", false, false},
		{"around the agency's form", `DN-[0-9]{6}`, "x DN-000123 x", false, false},
		{"a personal number", "", "099304000017", false, false},
		{"a personal number that the agency's form would take", `.*`, "HS 099304000017", false, false},
		{"with spaces", "", "099 304 000 017", false, false},
		{"with dots", "", "099.304.000.017", false, false},
		{"of full width", `.*`, "０９９３０４００００１７", false, false},
		{"over signs that cannot be seen", `.*`, "0993\u200b04000017", false, false},
		{"right-to-left override", `.*`, "a\u202eb", false, true},
		{"NUL", `.*`, "a\x00b", false, true},
		{"a line break", `(?s).*`, "a\nb", false, true},
		{"too long", `.*`, strings.Repeat("a", 257), false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := found(t)
			n.clients["land-app"].Declarations[0].CaseReference = row.pattern
			grant := n.agree("an", "land-app", wantLand)
			body, err := json.Marshal(map[string]any{"registry": "land", "purpose": "land.mortgage", "attributes": []string{"land.area"}, "case_reference": row.text})
			must(n, err)
			a := n.ask(grant, "land-app", string(body))
			n.check(a, askLand)
			if row.fits {
				if e := n.state.rows[a.release.ID].Event; a.status != 200 || e.Reason.CaseReference != row.text {
					t.Fatalf("got %d %s, on record %q", a.status, a.raw, e.Reason.CaseReference)
				}
				return
			}
			e := n.state.rows[strings.TrimPrefix(a.problem.Instance, "urn:uuid:")].Event
			code := "case-reference-malformed"
			if row.odd {
				code = "malformed-request"
			}
			if a.status != 400 || a.problem.Code != code || a.problem.Detail == "" || e.Type != audit.ReleaseRefused ||
				e.Reason.CaseReference != "" {
				t.Fatalf("got %d %s, on record %+v", a.status, a.raw, e.Reason)
			}
			canonical, err := e.Canonical()
			must(n, err)
			if strings.Contains(string(canonical)+a.raw, row.text) || len(n.reads) != 0 {
				t.Fatalf("what cannot stand in a record is in it: %s", canonical)
			}
		})
	}
}

// Names that stand in a record come from the request too.
func TestNoNameOfARequestCarriesANumber(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	before := len(n.state.rows)
	for _, body := range []string{
		strings.Replace(askLand, "land.mortgage", "p099304000017", 1), strings.Replace(askLand, `"land"`, `"p099304000017"`, 1),
		strings.Replace(askLand, "land.area", "land.p0.99304000017", 1),
	} {
		if a := n.ask(grant, "land-app", body); a.status != 400 || len(n.state.rows) != before {
			t.Errorf("got %d %s", a.status, a.raw)
		}
	}
}

func TestAStepUpIsAskedForAsTheStandardSays(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	n.clients["land-app"].MinimumLevel = 3
	got := n.ask(grant, "land-app", askLand).header.Get("WWW-Authenticate")
	if !strings.Contains(got, `error="insufficient_user_authentication"`) || !strings.Contains(got, `acr_values="urn:vn:gov:eid:auth-level:3"`) {
		t.Fatalf("got %s (RFC 9470 §3)", got)
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	for _, row := range []struct {
		name, header string
		status       int
		code         string
	}{
		{"none", "", 401, "token-refused"},
		{"a nonce is wanted", "DPoP nonce app", 401, "token-refused"},
		{"could not be checked", "DPoP down app", 503, "unavailable"},
		{"of an app that is not enabled", "DPoP grant gone-app", 401, "token-refused"},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := found(t)
			r := httptest.NewRequest(http.MethodPost, "/broker/v1/releases", strings.NewReader(askLand))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", row.header)
			a := n.serve(r)
			if a.status != row.status || a.problem.Code != row.code || len(n.state.rows) != 0 {
				t.Fatalf("got %d %s with %d events", a.status, a.raw, len(n.state.rows))
			}
			challenge := a.header.Get("WWW-Authenticate")
			if (a.status == 401) != strings.HasPrefix(challenge, "DPoP algs=") || a.status == 503 && a.header.Get("Retry-After") == "" {
				t.Fatalf("got %v", a.header)
			}
			all := a.header.Values("WWW-Authenticate")
			if a.status == 401 && (len(all) != 2 || !strings.HasPrefix(all[1], "Bearer ")) {
				t.Errorf("a token bound to a certificate is a Bearer token, and is not asked for: %q (RFC 8705 §3)", all)
			}
			if (row.name == "none") == strings.Contains(strings.Join(all, " "), "error") && a.status == 401 {
				t.Errorf("%q (RFC 6750 §3.1)", all)
			}
			if (row.header == "DPoP nonce app") != (a.header.Get("DPoP-Nonce") == "fresh" &&
				strings.Contains(challenge, "use_dpop_nonce")) {
				t.Fatalf("got %v (RFC 9449 §9)", a.header)
			}
		})
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	before := len(n.state.rows)
	for _, row := range []struct{ name, body string }{
		{"nothing", ``},
		{"a list", `[]`},
		{"null", `null`},
		{"no registry", `{"purpose":"land.mortgage","attributes":["land.area"]}`},
		{"no purpose", `{"registry":"land","attributes":["land.area"]}`},
		{"no attributes", `{"registry":"land","purpose":"land.mortgage"}`},
		{"an empty list", `{"registry":"land","purpose":"land.mortgage","attributes":[]}`},
		{"an unknown member", strings.Replace(askLand, "{", `{"person":"099304000017",`, 1)},
		{"a member twice", strings.Replace(askLand, "{", `{"registry":"tax",`, 1)},
		{"a member in other case", strings.Replace(askLand, `"registry"`, `"Registry"`, 1)},
		{"null for a member", strings.Replace(askLand, `"land.mortgage"`, `null`, 1)},
		{"a number for a text", strings.Replace(askLand, `"land.mortgage"`, `7`, 1)},
		{"an attribute of another register", strings.Replace(askLand, "land.area", "health.hiv", 1)},
		{"an attribute twice", strings.Replace(askLand, "land.area", "land.certificate_no", 1)},
		{"51 attributes", strings.Replace(askLand, `"land.area"`, strings.Repeat(`"land.a",`, 50)+`"land.b"`, 1)},
		{"too long", strings.Replace(askLand, "{", "{"+strings.Repeat(" ", maxBody), 1)},
		{"data after it", askLand + `{}`},
		{"not UTF-8", strings.Replace(askLand, "{", "{\"case_reference\":\"\xff\",", 1)},
	} {
		t.Run(row.name, func(t *testing.T) {
			if a := n.ask(grant, "land-app", row.body); a.status != 400 || a.problem.Code != "malformed-request" || a.problem.Detail == "" {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
		})
	}
	r := httptest.NewRequest(http.MethodPost, "/broker/v1/releases", strings.NewReader(askLand))
	r.Header.Set("Authorization", "DPoP "+string(grant)+" land-app")
	if a := n.serve(r); a.status != 400 {
		t.Fatalf("without Content-Type: got %d", a.status)
	}
	if a := n.serve(httptest.NewRequest(http.MethodGet, "/broker/v1/releases", nil)); a.status != 405 || a.header.Get("Allow") != "POST" {
		t.Fatalf("GET: got %d", a.status)
	}
	if len(n.state.rows) != before || len(n.reads) != 0 {
		t.Fatal("a malformed request left something behind")
	}
}

// When anything is in doubt the data stay here, whether the effect happened and
// its answer was lost, or it did not happen.
func TestInDoubtNothingIsReleased(t *testing.T) {
	for _, fault := range []string{
		"client", "live", "register", "before record", "after record", "before commit", "after commit", "before append", "after append",
	} {
		for _, ask := range []struct{ name, want, body string }{{"on a consent", wantLand, askLand}, {"on another basis", wantName, askName}} {
			t.Run(fault+", "+ask.name, func(t *testing.T) {
				n := found(t)
				grant := n.agree("an", "land-app", ask.want)
				n.fault = fault
				a := n.ask(grant, "land-app", ask.body)
				if n.fault != "" {
					t.Fatal("the fault did not come")
				}
				want := "unavailable"
				if fault == "register" {
					want = "register-silent"
				}
				if a.status != 503 || a.problem.Code != want || a.header.Get("Retry-After") == "" || strings.Contains(a.raw, "value of") {
					t.Fatalf("got %d %s", a.status, a.raw)
				}
				again := n.ask(grant, "land-app", ask.body)
				n.check(again, ask.body)
				if again.status != 200 {
					t.Fatalf("trying again: got %d %s", again.status, again.raw)
				}
			})
		}
	}
}

func TestARefusalThatCannotBeRecordedIsNotTold(t *testing.T) {
	for _, fault := range []string{"before record", "after record", "before append", "after append"} {
		n := found(t)
		grant := n.agree("an", "land-app", wantLand)
		must(n, n.withdraw("an", "land-app"))
		n.fault = fault
		if a := n.ask(grant, "land-app", askLand); a.status != 503 {
			t.Errorf("%s: got %d %s", fault, a.status, a.raw)
		}
	}
}

// What ends a permission while the register is being read or the event is written:
// the release is decided again and refused, what was read is dropped, no permit is on
// record and no use is spent.
func TestWhatEndsAPermissionOnTheWayStopsTheRelease(t *testing.T) {
	for _, row := range []struct {
		name   string
		wanted string
		ask    string
		end    func(n *nation, g authz.GrantID)
		code   string
	}{
		{"the grant is revoked", wantLand, askLand, func(n *nation, g authz.GrantID) { n.revoke(g) }, "grant-ended"},
		{"the grant is revoked, on another basis", wantName, askName, func(n *nation, g authz.GrantID) { n.revoke(g) }, "grant-ended"},
		{"the account is locked", wantLand, askLand, func(n *nation, _ authz.GrantID) { n.state.locked["an"] = true }, "account-locked"},
		{"the account is locked, on another basis", wantName, askName, func(n *nation, _ authz.GrantID) { n.state.locked["an"] = true }, "account-locked"},
		{"the consent is withdrawn", wantLand, askLand, func(n *nation, _ authz.GrantID) { must(n, n.withdraw("an", "land-app")) }, "consent-withdrawn"},
		{"the app is disabled", wantLand, askLand, func(n *nation, _ authz.GrantID) { n.clients["land-app"].Disabled = true }, ""},
	} {
		for _, when := range []string{"register", "tx"} {
			t.Run(row.name+", before "+when, func(t *testing.T) {
				n := found(t)
				n.clients["land-app"].Declarations[1].Frequency = "once"
				grant := n.agree("an", "land-app", row.wanted)
				n.during[when] = func() { row.end(n, grant) }
				a := n.ask(grant, "land-app", row.ask)
				if a.status == 200 || row.code != "" && a.problem.Code != row.code {
					t.Fatalf("got %d %s, want %s", a.status, a.raw, row.code)
				}
				for _, r := range n.state.rows {
					if r.Event.Type == audit.ReleasePermitted {
						t.Fatal("a permit is on record after what ended it")
					}
				}
				if len(n.state.uses) != 0 {
					t.Fatalf("a use was spent: %v", n.state.uses)
				}
			})
		}
	}
	t.Run("an app that acts is disabled", func(t *testing.T) {
		n, grant := acting(t, true)
		n.during["register"] = func() { n.clients["backend"].Disabled = true }
		if a := n.ask(grant, "backend+", landArea); a.status == 200 {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
	})
}

// An event whose row or leaf took long to write: whoever ended the grant meanwhile was
// told so, and the data stay here.
func TestAfterASlowRecordItIsAskedAgain(t *testing.T) {
	for _, wanted := range []struct{ want, ask string }{{wantLand, askLand}, {wantName, askName}} {
		n := found(t)
		grant := n.agree("an", "land-app", wanted.want)
		n.during["append"] = func() {
			n.now = n.now.Add(3 * time.Second)
			n.revoke(grant)
		}
		a := n.ask(grant, "land-app", wanted.ask)
		if a.status != 401 || a.problem.Code != "grant-ended" || !slices.Equal(n.refused(), []string{"grant-ended"}) {
			t.Fatalf("got %d %s, on record %v", a.status, a.raw, n.refused())
		}
	}
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	n.during["append"] = func() { n.now = n.now.Add(3 * time.Second) }
	if a := n.ask(grant, "land-app", askLand); a.status != 200 {
		t.Fatalf("nothing had ended: got %d %s", a.status, a.raw)
	}
}

// The register is read before anything is written: one that does not answer is an
// event of its own kind and spends nothing.
func TestARegisterThatDoesNotAnswerSpendsNothing(t *testing.T) {
	for _, row := range []struct {
		client    authz.ClientID
		want, ask string
		spent     int
	}{{"tax-app", wantTax, askTax, 2}, {"land-app", wantName, askName, 1}} {
		n := found(t)
		n.clients["land-app"].Declarations[1].Frequency = "once"
		grant := n.agree("an", row.client, row.want)
		for range 3 {
			n.fault = "register"
			a := n.ask(grant, row.client, row.ask)
			if a.status != 503 || a.problem.Code != "register-silent" || a.header.Get("Retry-After") == "" {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			e := n.state.rows[strings.TrimPrefix(a.problem.Instance, "urn:uuid:")].Event
			if e.Type != audit.ReleaseUnanswered || e.Decision.Permit || e.Decision.Code != "register-silent" || e.Payload.Digest != "" ||
				n.state.log[len(n.state.log)-1] != e.ID {
				t.Fatalf("on record: %v %+v", e, e.Decision)
			}
		}
		if len(n.state.uses) != 0 {
			t.Fatalf("a use was spent: %v", n.state.uses)
		}
		for range row.spent {
			a := n.ask(grant, row.client, row.ask)
			n.check(a, row.ask)
			if a.status != 200 {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
		}
		if a := n.ask(grant, row.client, row.ask); a.status != 429 || a.problem.Code != "frequency-exceeded" {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
	}
}

func TestASilentRegisterDoesNotFillTheDisk(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	before := len(n.state.rows)
	for range 2 * refusalsOfGrant {
		n.fault = "register"
		if a := n.ask(grant, "land-app", askLand); a.status != 503 {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
	}
	if got := len(n.state.rows) - before; got != refusalsOfGrant {
		t.Fatalf("%d events were written", got)
	}
}

// What left is on record by its digest, which the salt opens.
func TestTheEventHoldsTheDigestOfWhatLeft(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	a := n.ask(grant, "land-app", askLand)
	sent, err := json.Marshal(a.release.Records)
	must(n, err)
	row := n.state.rows[a.release.ID]
	if row.Event.Payload.Digest != row.Salt.PayloadDigest(sent) || row.Event.Payload.Records != 1 {
		t.Fatalf("got %q of %d records", row.Event.Payload.Digest, row.Event.Payload.Records)
	}
}

// Statute counts by person, app and purpose: signing in again, which on a basis
// without consent nobody sees, gives no more.
func TestSigningInAgainIsNoNewUse(t *testing.T) {
	n := found(t)
	n.clients["land-app"].Declarations[1].Frequency = "2/day"
	left := 0
	for range 5 {
		grant := n.agree("an", "land-app", wantName)
		if a := n.ask(grant, "land-app", askName); a.status == 200 {
			left++
		} else if a.status != 429 || a.problem.Code != "frequency-exceeded" {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
	}
	if left != 2 {
		t.Fatalf("%d left of 2/day", left)
	}
	if a := n.ask(n.agree("binh", "land-app", wantName), "land-app", askName); a.status != 200 {
		t.Fatalf("another person: got %d %s", a.status, a.raw)
	}
	n.now = n.now.AddDate(0, 0, 1)
	if a := n.ask(n.agree("an", "land-app", wantName), "land-app", askName); a.status != 200 {
		t.Fatalf("the next day: got %d %s", a.status, a.raw)
	}
}

// A withdrawal that comes between the decision and its record: the release is
// decided again and refused.
func TestAWithdrawalBetweenDecisionAndRecordWins(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	n.during["tx"] = func() { must(n, n.withdraw("an", "land-app")) }
	a := n.ask(grant, "land-app", askLand)
	n.check(a, askLand)
	if a.status != 403 || a.problem.Code != "consent-withdrawn" {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	for _, row := range n.state.rows {
		if row.Event.Type == audit.ReleasePermitted {
			t.Fatal("a permit is on record under the withdrawn consent")
		}
	}
}

func TestAgreeingAgainBetweenDecisionAndRecordIsDecidedAgain(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	n.during["tx"] = func() { n.agree("an", "land-app", wantLand) }
	a := n.ask(grant, "land-app", askLand)
	n.check(a, askLand)
	if a.status != 200 || !strings.HasSuffix(a.release.Consent, "#2") {
		t.Fatalf("got %d %s, want a release on version 2", a.status, a.raw)
	}
}

func TestAWithdrawnConsentComesBackOnlyByAgreeingAgain(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	must(n, n.withdraw("an", "land-app"))
	if a := n.ask(grant, "land-app", askLand); a.problem.Code != "consent-withdrawn" {
		t.Fatalf("got %s", a.raw)
	}
	second := n.agree("an", "land-app", wantLand)
	for _, g := range []authz.GrantID{grant, second} {
		a := n.ask(g, "land-app", askLand)
		n.check(a, askLand)
		if a.status != 200 || !strings.HasSuffix(a.release.Consent, "#3") {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
	}
	for _, subject := range []authz.Subject{"binh"} {
		mine, _ := n.consents.List(context.Background(), "an")
		if err := n.consents.Withdraw(
			context.Background(), consent.Withdrawal{
				Client: n.clients["land-app"], Principal: authz.Herself(subject), ID: mine[0].ID, Shown: mine[0].Reference(),
			},
		); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("withdrawing another's consent: got %v", err)
		}
		if _, _, err := n.consents.History(context.Background(), subject, mine[0].ID); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("reading another's consent: got %v", err)
		}
	}
}

func TestFrequencyHoldsOverAllGrantsOfAConsent(t *testing.T) {
	n := found(t)
	first := n.agree("an", "tax-app", wantTax)
	n.state.grants["second"] = n.state.grants[first] // of another sign-in, on the same consent
	for i, want := range []int{200, 200, 429, 429} {
		a := n.ask([]authz.GrantID{first, "second"}[i%2], "tax-app", askTax)
		n.check(a, askTax)
		if a.status != want {
			t.Fatalf("got %d %s, want %d", a.status, a.raw, want)
		}
	}
	if codes := n.refused(); !slices.Equal(codes, []string{"frequency-exceeded", "frequency-exceeded"}) {
		t.Fatalf("on record: %v", codes)
	}
	n.now = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC) // midnight in Hà Nội
	if a := n.ask(first, "tax-app", askTax); a.status != 200 {
		t.Fatalf("the next day: got %d %s", a.status, a.raw)
	}
}

func TestFrequencyHoldsOnABasisWithoutConsent(t *testing.T) {
	n := found(t)
	n.clients["land-app"].Declarations[1].Frequency = "once"
	grant := n.agree("an", "land-app", wantName)
	for _, want := range []int{200, 429} {
		if a := n.ask(grant, "land-app", askName); a.status != want {
			t.Fatalf("got %d %s, want %d", a.status, a.raw, want)
		}
	}
}

func TestNobodyInTheRegister(t *testing.T) {
	n := found(t)
	grant := n.agree("nobody", "land-app", wantLand)
	if a := n.ask(grant, "land-app", askLand); a.status != 404 || a.problem.Code != "no-record" || a.problem.Instance == "" {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
}

func TestRefusalsCannotFillTheDisk(t *testing.T) {
	n := found(t)
	good, bad := n.agree("binh", "land-app", wantLand), n.agree("an", "land-app", wantLand)
	must(n, n.withdraw("an", "land-app"))
	before := len(n.state.rows)
	turnedAway := 0
	for range 3 * refusalsOfGrant {
		if a := n.ask(bad, "land-app", askLand); a.status == 429 {
			turnedAway++
			if a.problem.Code != "too-many-requests" || a.header.Get("Retry-After") == "" {
				t.Fatalf("got %s", a.raw)
			}
		}
	}
	if got := len(n.state.rows) - before; got != refusalsOfGrant || turnedAway != 2*refusalsOfGrant {
		t.Fatalf("%d events were written, %d requests turned away", got, turnedAway)
	}
	if a := n.ask(good, "land-app", askLand); a.status != 200 {
		t.Fatalf("another person of the same app: got %d %s", a.status, a.raw)
	}
	n.now = n.now.Add(time.Minute)
	if a := n.ask(bad, "land-app", askLand); a.status != 403 {
		t.Fatalf("a minute later: got %d", a.status)
	}
}

func TestTooManyInWorkAreTurnedAwayAtOnce(t *testing.T) {
	n := found(t)
	n.broker.MaxInFlight = 1
	grant := n.agree("an", "land-app", wantLand)
	var inner answer
	n.during["tx"] = func() { inner = n.ask(grant, "land-app", askLand) }
	if a := n.ask(grant, "land-app", askLand); a.status != 200 || inner.status != 503 || inner.problem.Code != "busy" {
		t.Fatalf("got %d, and %d %s", a.status, inner.status, inner.raw)
	}
	if a := n.ask(grant, "land-app", askLand); a.status != 200 {
		t.Fatalf("afterwards: got %d", a.status)
	}
}

func TestAnAppThatHangsUpLeavesNoHalfEvidence(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	ctx, hangUp := context.WithCancel(t.Context())
	n.during["record"] = hangUp
	r := httptest.NewRequest(http.MethodPost, "/broker/v1/releases", strings.NewReader(askLand)).WithContext(ctx)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "DPoP "+string(grant)+" land-app")
	n.check(n.serve(r), askLand)
	if len(n.state.rows) != 2 { // the consent, and the release
		t.Fatalf("got %d events", len(n.state.rows))
	}
	for id := range n.state.rows {
		if !slices.Contains(n.state.log, id) {
			t.Fatal("a row without its leaf")
		}
	}
}

func TestACallersRequestIDIsTakenOnlyIfItFits(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	for id, want := range map[string]string{"req-1.2:3_4": "req-1.2:3_4", "a\tb": "", "of.099304000017": "", strings.Repeat("a", 65): "", "Trần": ""} {
		r := httptest.NewRequest(http.MethodPost, "/broker/v1/releases", strings.NewReader(askLand))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "DPoP "+string(grant)+" land-app")
		r.Header.Set("X-Request-Id", id)
		a := n.serve(r)
		if got := n.state.rows[a.release.ID].Event.Trace.RequestID; a.status != 200 || got != want {
			t.Errorf("%q: got %q, %d", id, got, a.status)
		}
	}
}

func TestEveryRefusalHasItsTextInBothLanguages(t *testing.T) {
	table := Problems()
	codes := []string{"grant-ended", "subject-of-another", "frequency-exceeded", "token-refused", "malformed-request", "too-many-requests", "no-record", "unavailable", registerSilent, "case-reference-malformed", "busy", "method-not-allowed"}
	for _, c := range policy.Codes() {
		codes = append(codes, string(c))
	}
	for _, code := range codes {
		p, ok := table[code]
		if !ok || p.Title == "" || p.TitleVI == "" || p.Status < 400 || p.Status > 503 {
			t.Errorf("%s: %+v", code, p)
		}
		if vi, en := Text(code); vi != p.TitleVI || en != p.Title {
			t.Errorf("%s: Text says %q, %q", code, vi, en)
		}
	}
	if len(table) != len(codes) {
		t.Errorf("the table has %d codes, used are %d", len(table), len(codes))
	}
}

func TestHiddenAccessIsRecordedAsHidden(t *testing.T) {
	n := found(t)
	n.clients["police"] = &authz.Client{ID: "police", Verified: vouched, Releases: authz.Releases{
		Declarations: []authz.Declaration{{
			Purpose: "security.national", Basis: authz.BasisSecurity, Registry: "immigration", Attributes: []authz.AttributeID{"immigration.nationality"},
		}},
	}}
	p := Permission{GrantLive: true, Client: "police", Principal: authz.Herself("an"), Person: "person-an", Level: 3, Account: 2, Details: []authz.Release{{
		Registry: "immigration", Purpose: "security.national", Basis: authz.BasisSecurity, ValidUntil: n.now.Add(time.Hour), Attributes: []authz.AttributeID{"immigration.nationality"},
	}}}
	n.state.grants["g"] = p
	n.ask("g", "police", `{"registry":"immigration","purpose":"security.national","attributes":["immigration.nationality"]}`)
	for _, row := range n.state.rows {
		if row.Event.Visibility.Sight != audit.Hidden {
			t.Fatalf("recorded as %q", row.Event.Visibility.Sight)
		}
	}
	if len(n.state.rows) != 1 {
		t.Fatal("not recorded")
	}
}

func TestLatestBirth(t *testing.T) {
	for text, want := range map[string]string{"1985-04-03": "1985-04-03", "1979": "1979-12-31", "1980-02": "1980-02-29", "": "0001-01-01", "1979-02-30": "0001-01-01", "soon": "0001-01-01"} {
		if got := latestBirth(text).Format(time.DateOnly); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(askLand))
	f.Add([]byte(strings.Replace(askLand, "{", `{"subject":"self","case_reference":"Hồ sơ",`, 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := parse(body)
		if err != nil {
			if len(err.Error()) > 200 {
				t.Fatalf("an error that echoes: %v", err)
			}
			return
		}
		if len(in.Attributes) == 0 || !slices.IsSorted(in.Attributes) {
			t.Fatalf("got %+v", in)
		}
		for _, a := range in.Attributes {
			if !consent.InRegistry(a, in.Registry) {
				t.Fatalf("%q is not of %q", a, in.Registry)
			}
		}
	})
}

// TestAPrincipalComesToTheEvent: what is released to a person who acts for another is on
// record about that other, with the person who acted and her mandate; what is released to
// her herself names nobody else.
func TestAPrincipalComesToTheEvent(t *testing.T) {
	for name, represented := range map[string]*authz.Represented{"herself": nil, "an organisation": {Subject: "company", Kind: authz.Organisation}} {
		n := found(t)
		grant := n.agree("an", "land-app", wantName)
		want := audit.Person{Pseudonym: "pseudonym-in-evidence-of-an", Kind: authz.Citizen, Relation: authz.RecordOfSelf, Sequence: 1}
		if represented != nil {
			p := n.state.grants[grant]
			p.Principal = authz.Acting("an", *represented, "m-1")
			n.state.grants[grant] = p
			want = audit.Person{
				Pseudonym: "pseudonym-in-evidence-of-company", Actor: "pseudonym-in-evidence-of-an", Kind: authz.Organisation,
				Mandate: "m-1", Relation: authz.RecordOfRepresented, Sequence: 1,
			}
		}
		released, err := n.broker.Release(t.Context(), demand(grant))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := n.state.rows[released.Event].Event.Person; got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// TestAConsentThatWasWrittenPastItsEvent: what stands in the database of a consent counts only as
// the event says that it was given.
func TestAConsentThatWasWrittenPastItsEvent(t *testing.T) {
	ends := time.Date(2027, 11, 23, 12, 0, 0, 123456000, time.UTC)
	given := commitment.Given{
		Pseudonym: "an", Client: "app", Purpose: "p", Registry: "land", Text: "t", Attributes: []string{"land.area", "land.plot"}, Until: ends,
		Decided: ends.AddDate(0, 0, -30),
	}
	for _, row := range []struct {
		name   string
		alter  func(c *consent.Consent, g *commitment.Ground)
		counts bool
	}{
		{"as it is", func(*consent.Consent, *commitment.Ground) {}, true},
		{"less than was agreed to", func(c *consent.Consent, _ *commitment.Ground) { c.Attributes = c.Attributes[:1] }, true},
		{"more than was agreed to", func(c *consent.Consent, _ *commitment.Ground) { c.Attributes = append(c.Attributes, "land.value") }, false},
		{"another version", func(c *consent.Consent, _ *commitment.Ground) { c.Version = 2 }, false},
		{"another person", func(_ *consent.Consent, g *commitment.Ground) { g.Pseudonym = "binh" }, false},
		{"another app", func(c *consent.Consent, _ *commitment.Ground) { c.Client = "other" }, false},
		{"another purpose", func(c *consent.Consent, _ *commitment.Ground) { c.Purpose = "q" }, false},
		{"another register", func(c *consent.Consent, _ *commitment.Ground) { c.Registry = "tax" }, false},
		{"another text", func(c *consent.Consent, _ *commitment.Ground) { c.TextHash = "u" }, false},
		{"another consent", func(c *consent.Consent, _ *commitment.Ground) { c.ID = "d" }, false},
		{"prolonged", func(c *consent.Consent, _ *commitment.Ground) { c.ValidUntil = ends.Add(time.Second) }, false},
		{"prolonged by what a database rounds", func(c *consent.Consent, _ *commitment.Ground) { c.ValidUntil = ends.Add(time.Microsecond) }, true},
		{"shortened", func(c *consent.Consent, _ *commitment.Ground) { c.ValidUntil = ends.Add(-time.Hour) }, true},
		{"of before events said until when", func(_ *consent.Consent, g *commitment.Ground) { g.Until = time.Time{} }, true},
		{"of before events said until when, prolonged beyond what its purpose allows", func(c *consent.Consent, g *commitment.Ground) {
			g.Until, c.ValidUntil = time.Time{}, ends.Add(time.Second)
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := consent.Consent{
				ID: "c", Client: "app", Purpose: "p", Registry: "land", Version: 1, State: consent.Approved, TextHash: "t",
				Attributes: []authz.AttributeID{"land.area", "land.plot"}, ValidUntil: ends,
			}
			g := commitment.Ground{Consent: "c", Version: 1, Given: given}
			row.alter(&c, &g)
			if got := (Permission{Consent: &c, Agreed: &g}).unexplained("an", 30); got == row.counts {
				t.Errorf("unexplained: %v", got)
			}
		})
	}
}
