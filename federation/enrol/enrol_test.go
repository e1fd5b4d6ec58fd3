package enrol_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/federation"
	"hopnhat/federation/enrol"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/mark"
)

type claims = federationtest.Claims

const us = federation.EntityID("https://neo.example.vn")

var now = federationtest.Now

// configuration is that of a province which names us.
func configuration(t testing.TB, e *federationtest.Entity, changes claims) string {
	t.Helper()
	all := claims{
		"authority_hints": []federation.EntityID{us},
		"metadata": claims{"federation_entity": claims{
			"organization_name": "UBND thành phố Đà Nẵng", "federation_fetch_endpoint": string(e.ID) + "/fetch",
		}},
	}
	for name, value := range changes {
		all[name] = value
	}
	return e.Configuration(t, all)
}

func terms(t testing.TB, e *federationtest.Entity) enrol.Terms {
	t.Helper()
	got, err := enrol.FromConfiguration(federationtest.Parse(t, configuration(t, e, nil)), us, now)
	if err != nil {
		t.Fatal(err)
	}
	got.Agreement, got.Level, got.Until = "12/2026/TT-LD", 3, now.Add(365*24*time.Hour)
	return got
}

// TestFromConfiguration: who it is and its keys come from what the entity signed itself.
func TestFromConfiguration(t *testing.T) {
	e, other := federationtest.New(t, "https://danang.example.vn"), federationtest.New(t, "https://danang.example.vn")
	got := terms(t, e)
	if got.Organization != "UBND thành phố Đà Nẵng" || !got.Intermediate || len(got.Types) != 1 || string(got.Keys) != string(e.JWKS(t)) {
		t.Errorf("got %+v", got)
	}
	for _, row := range []struct{ name, token string }{
		{"§3.1.2: it names another superior", configuration(t, e, claims{"authority_hints": []string{"https://other.example.vn"}})},
		{"§3.1.2: it names no superior", configuration(t, e, claims{"authority_hints": nil})},
		{"§3.2: signed with a key that it does not state", configuration(t, e, claims{"jwks": other.JWKS(t)})},
		{"§10.2: expired", configuration(t, e, claims{"iat": now.Add(-2 * time.Hour).Unix(), "exp": now.Unix()})},
		{"§10.2: from the future", configuration(t, e, claims{"iat": now.Add(time.Hour).Unix()})},
		{"§3: a statement about another", e.About(t, federationtest.New(t, "https://x.example.vn"), nil)},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := enrol.FromConfiguration(federationtest.Parse(t, row.token), us, now); !errors.Is(err, enrol.ErrTerms) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestTerms: what may be agreed, and what is refused before anybody sees it.
func TestTerms(t *testing.T) {
	e := federationtest.New(t, "https://danang.example.vn")
	for _, row := range []struct {
		name    string
		changed func(*enrol.Terms)
		good    bool
	}{
		{"good", func(*enrol.Terms) {}, true},
		{"with a policy and constraints", func(a *enrol.Terms) {
			a.Policy = json.RawMessage(`{"openid_relying_party":{"subject_type":{"value":"pairwise"}}}`)
			a.Constraints = json.RawMessage(`{"max_path_length":1,"naming_constraints":{"permitted":[".danang.example.vn"]}}`)
		}, true},
		{"without an organization", func(a *enrol.Terms) { a.Organization = " " }, false},
		{"without an agreement", func(a *enrol.Terms) { a.Agreement = "" }, false},
		{"an agreement that turns the direction of writing", func(a *enrol.Terms) { a.Agreement = "12\u202e" }, false},
		{"an agreement with the number of a person", func(a *enrol.Terms) { a.Agreement = "099180000305" }, false},
		{"level 0", func(a *enrol.Terms) { a.Level = 0 }, false},
		{"level 6", func(a *enrol.Terms) { a.Level = 6 }, false},
		{"no entity type", func(a *enrol.Terms) { a.Types = nil }, false},
		{"ended", func(a *enrol.Terms) { a.Until = now }, false},
		{"without an end in sight", func(a *enrol.Terms) { a.Until = now.Add(enrol.LongestTerm + time.Second) }, false},
		{"§3.1.1: no keys", func(a *enrol.Terms) { a.Keys = nil }, false},
		{"§3.1.1: a key without kid", func(a *enrol.Terms) { a.Keys = json.RawMessage(strings.ReplaceAll(string(a.Keys), `"kid"`, `"x"`)) }, false},
		{"§3.1.1: a symmetric key", func(a *enrol.Terms) { a.Keys = json.RawMessage(`{"keys":[{"kty":"oct","kid":"a","k":"AA"}]}`) }, false},
		{"§5: metadata with null", func(a *enrol.Terms) { a.Metadata = json.RawMessage(`{"openid_relying_party":{"scope":null}}`) }, false},
		{"§6.1.3.1: an operator with a value of another form", func(a *enrol.Terms) {
			a.Policy = json.RawMessage(`{"openid_relying_party":{"contacts":{"one_of":"openid"}}}`)
		}, false},
		{"§6.1.3.2: an operator that nobody knows", func(a *enrol.Terms) {
			a.Policy = json.RawMessage(`{"openid_relying_party":{"scope":{"subset-of":["openid"]}}}`)
		}, false},
		{"§6.1.3.1: operators that do not go together", func(a *enrol.Terms) {
			a.Policy = json.RawMessage(`{"openid_relying_party":{"scope":{"value":["a"],"subset_of":["b"]}}}`)
		}, false},
		{"§6.2.1: a path of -1", func(a *enrol.Terms) { a.Constraints = json.RawMessage(`{"max_path_length":-1}`) }, false},
		{"§6.2.3: federation_entity among the types allowed", func(a *enrol.Terms) {
			a.Constraints = json.RawMessage(`{"allowed_entity_types":["federation_entity"]}`)
		}, false},
		{"a policy without end", func(a *enrol.Terms) { a.Policy = json.RawMessage(`{"x":{"` + strings.Repeat("y", 33<<10) + `":{}}}`) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			agreed := terms(t, e)
			row.changed(&agreed)
			if err := agreed.Check(us, e.ID, now); (err == nil) != row.good || err != nil && !errors.Is(err, enrol.ErrTerms) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := terms(t, e).Check(e.ID, e.ID, now); !errors.Is(err, enrol.ErrTerms) {
		t.Errorf("a subordinate of itself: %v", err)
	}
}

// digest is that of the terms that wait.
func digest(s enrol.Subordinate) string {
	if s.Proposal == nil {
		return ""
	}
	return s.Proposal.Terms.Digest()
}

// TestApproval: nobody approves at another machine what she proposed, or other terms than she
// looked at; the digest is of the terms and not of how they are written.
func TestApproval(t *testing.T) {
	e := federationtest.New(t, "https://danang.example.vn")
	agreed := terms(t, e)
	agreed.Constraints = json.RawMessage(`{"max_path_length": 1, "naming_constraints": {"permitted": [".example.vn"]}}`)
	s, err := enrol.Subordinate{ID: e.ID}.Propose(us, agreed, "os-user:lan@a", "", now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Approve(us, digest(s), "os-user:lan@b", now); !errors.Is(err, enrol.ErrSamePerson) {
		t.Errorf("at another machine: %v", err)
	}
	if _, err := s.Approve(us, digest(s), "account:7f3a", now); !errors.Is(err, enrol.ErrOtherWay) {
		t.Errorf("at a page, of what a command proposed: %v", err)
	}
	looked := digest(s)
	agreed.Policy = json.RawMessage(`{"openid_relying_party":{"scope":{"subset_of":["openid"]}}}`)
	if s, err = s.Propose(us, agreed, "os-user:lan@a", "", now); err != nil {
		t.Fatal(err)
	}
	for name, seen := range map[string]string{"others were proposed meanwhile": looked, "none": ""} {
		if _, err := s.Approve(us, seen, "os-user:mai@a", now); !errors.Is(err, enrol.ErrOtherTerms) {
			t.Errorf("%s: %v", name, err)
		}
	}
	agreed.Constraints = json.RawMessage(`{"naming_constraints":{"permitted":[".example.vn"]},"max_path_length":1}`)
	if agreed.Digest() != digest(s) || len(digest(s)) != 32 {
		t.Errorf("the digest depends on how the terms are written: %s, %s", agreed.Digest(), digest(s))
	}
	if _, err := s.Approve(us, digest(s), "os-user:mai@a", now); err != nil {
		t.Error(err)
	}
}

// step is one step of a workflow, by who takes it.
type step func(s enrol.Subordinate, by string) (enrol.Subordinate, error)

// TestSteps: which step follows from which state.
func TestSteps(t *testing.T) {
	e := federationtest.New(t, "https://danang.example.vn")
	agreed := terms(t, e)
	steps := map[string]step{
		"propose": func(s enrol.Subordinate, by string) (enrol.Subordinate, error) {
			return s.Propose(us, agreed, by, "", now)
		},
		"approve": func(s enrol.Subordinate, by string) (enrol.Subordinate, error) {
			return s.Approve(us, digest(s), by, now)
		},
		"renew": func(s enrol.Subordinate, by string) (enrol.Subordinate, error) {
			return s.Renew(us, now.Add(48*time.Hour), by, "", now)
		},
		"suspend": func(s enrol.Subordinate, by string) (enrol.Subordinate, error) {
			return s.Suspend(by, "keys lost", now)
		},
		"revoke": func(s enrol.Subordinate, by string) (enrol.Subordinate, error) { return s.Revoke(by, "left", now) },
	}
	for _, row := range []struct {
		name, steps string // a step by person a or b, each good but the last
		want        error
		state       enrol.State
	}{
		{"two people", "propose-a approve-b", nil, enrol.Active},
		{"one person", "propose-a approve-a", enrol.ErrSamePerson, enrol.Proposed},
		{"who proposed last counts", "propose-a propose-b approve-b", enrol.ErrSamePerson, enrol.Proposed},
		{"nothing to approve", "approve-b", enrol.ErrStep, ""},
		{"approved twice", "propose-a approve-b approve-b", enrol.ErrStep, enrol.Active},
		{"a renewal needs two as well", "propose-a approve-b renew-a approve-a", enrol.ErrSamePerson, enrol.Active},
		{"renewed", "propose-a approve-b renew-b approve-a", nil, enrol.Active},
		{"nothing to renew", "propose-a renew-b", enrol.ErrStep, enrol.Proposed},
		{"suspended by one", "propose-a approve-b suspend-a", nil, enrol.Suspended},
		{"suspended before it was active", "propose-a suspend-b", enrol.ErrStep, enrol.Proposed},
		{"suspended twice", "propose-a approve-b suspend-a suspend-b", enrol.ErrStep, enrol.Suspended},
		{"what is suspended is not approved without a proposal", "propose-a approve-b suspend-a approve-b", enrol.ErrStep, enrol.Suspended},
		{"a suspension takes away what was proposed before", "propose-a approve-b renew-a suspend-b approve-b", enrol.ErrStep, enrol.Suspended},
		{"what is suspended comes back by two", "propose-a approve-b suspend-a renew-a approve-b", nil, enrol.Active},
		{"revoked", "propose-a approve-b revoke-b", nil, enrol.Revoked},
		{"a proposal is revoked", "propose-a revoke-b", nil, enrol.Revoked},
		{"revoked twice", "propose-a revoke-b revoke-a", enrol.ErrStep, enrol.Revoked},
		{"what is revoked is not renewed", "propose-a approve-b revoke-b renew-a", enrol.ErrStep, enrol.Revoked},
		{"what is revoked can be proposed anew", "propose-a approve-b revoke-b propose-a approve-b", nil, enrol.Active},
		{"nothing to revoke", "revoke-a", enrol.ErrStep, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, words := enrol.Subordinate{ID: e.ID}, strings.Fields(row.steps)
			for i, word := range words {
				name, by, _ := strings.Cut(word, "-")
				after, err := steps[name](s, by)
				if last := i == len(words)-1; !last && err != nil || last && !errors.Is(err, row.want) {
					t.Fatalf("%s: %v, want %v at the end", word, err, row.want)
				}
				s = after
			}
			if s.State != row.state || s.InForce(now) != (row.state == enrol.Active) || s.InForce(s.Terms.Until) {
				t.Errorf("it is %q", s.State)
			}
		})
	}
	active, _ := steps["propose"](enrol.Subordinate{ID: e.ID}, "a")
	if active, _ = steps["approve"](active, "b"); !active.InForce(now) {
		t.Fatal("not active")
	}
	if _, err := active.Suspend("a", "", now); !errors.Is(err, enrol.ErrStep) {
		t.Errorf("a suspension without a reason: %v", err)
	}
	if _, err := active.Revoke("", "left", now); !errors.Is(err, enrol.ErrStep) {
		t.Errorf("a revocation by nobody: %v", err)
	}
	waiting, _ := steps["propose"](enrol.Subordinate{ID: e.ID}, "a")
	if _, err := waiting.Approve(us, digest(waiting), "b", agreed.Until); !errors.Is(err, enrol.ErrTerms) {
		t.Errorf("a proposal that waited until its end: %v", err)
	}
}

// TestNobodyAlone: whatever steps are taken, terms come into force by two different people,
// and what is in force is what the first of them proposed.
func TestNobodyAlone(t *testing.T) {
	e := federationtest.New(t, "https://danang.example.vn")
	agreed := terms(t, e)
	rapid.Check(t, func(t *rapid.T) {
		s, proposed := enrol.Subordinate{ID: e.ID}, map[string]bool{} // agreements, with who proposed them
		for i := range rapid.IntRange(1, 20).Draw(t, "steps") {
			by := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "by")
			wanted := agreed
			wanted.Agreement = strings.Repeat("x", i+1)
			var after enrol.Subordinate
			var err error
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				after, err = s.Propose(us, wanted, by, "", now)
				proposed[wanted.Agreement+by] = true
			case 1:
				after, err = s.Approve(us, digest(s), by, now)
			case 2:
				after, err = s.Suspend(by, "why", now)
			case 3:
				after, err = s.Revoke(by, "why", now)
			default:
				if after, err = s.Renew(us, now.Add(time.Hour), by, "", now); err == nil {
					proposed[s.Terms.Agreement+by] = true
				}
			}
			if err == nil {
				s = after
			}
			if s.InForce(now) && (s.ProposedBy == s.ApprovedBy || s.ApprovedBy == "" || !proposed[s.Terms.Agreement+s.ProposedBy]) {
				t.Fatalf("in force by %q and %q", s.ProposedBy, s.ApprovedBy)
			}
		}
	})
}

// TestMark: a mark that we granted, and what becomes of it.
func TestMark(t *testing.T) {
	none := enrol.Mark{Type: "https://neo.example.vn/marks/public", Subject: "https://app.example.vn"}
	granted, err := none.Grant("a", now.Add(time.Hour), now.Add(300*time.Millisecond))
	if err != nil || granted.Status(now) != mark.Active || granted.Status(now.Add(time.Hour)) != mark.Expired ||
		!granted.GrantedAt.Equal(now) {
		t.Fatalf("got %+v, %v", granted, err)
	}
	if _, err := none.Revoke("a", "why", now); !errors.Is(err, enrol.ErrStep) {
		t.Errorf("a mark that nobody granted was revoked: %v", err)
	}
	granted.Revision = 1
	revoked, err := granted.Revoke("b", "order 3", now)
	if err != nil || revoked.Status(now) != mark.Revoked {
		t.Errorf("got %+v, %v", revoked, err)
	}
	if _, err := revoked.Revoke("b", "order 3", now); !errors.Is(err, enrol.ErrStep) {
		t.Errorf("revoked twice: %v", err)
	}
	if _, err := granted.Revoke("b", "", now); !errors.Is(err, enrol.ErrStep) {
		t.Errorf("revoked without a reason: %v", err)
	}
	if again, err := revoked.Grant("a", time.Time{}, now); err != nil || again.Status(now.AddDate(50, 0, 0)) != mark.Active ||
		again.Claims(us)["exp"] != nil {
		t.Errorf("granted anew, without an end: %+v, %v", again, err)
	}
	for name, wrong := range map[string]enrol.Mark{"no type": {Subject: none.Subject}, "a type with a line end": {Type: "a\nb"}} {
		if _, err := wrong.Grant("a", time.Time{}, now); !errors.Is(err, enrol.ErrStep) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := none.Grant("a", now, now); !errors.Is(err, enrol.ErrStep) {
		t.Errorf("a mark that has ended: %v", err)
	}
}
