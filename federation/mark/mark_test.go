package mark_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/federation/federationtest"
	"hopnhat/federation/mark"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

type claims = federationtest.Claims

const kind = "https://neo.example.vn/marks/public-service"

// tree is an anchor, an issuer of marks below it, the owner of a type, and an app.
type tree struct {
	anchor, issuer, owner, app *federationtest.Entity
}

func newTree(t testing.TB) tree {
	return tree{
		federationtest.New(t, "https://neo.example.vn"), federationtest.New(t, "https://cap-dau.example.vn"),
		federationtest.New(t, "https://so-huu.example.vn"), federationtest.New(t, "https://app.example.vn"),
	}
}

// chain is the verdict on the issuer, with changes to the configuration of the anchor.
func (tr tree) chain(t testing.TB, changes claims) trust.Verdict {
	t.Helper()
	all := claims{"trust_mark_issuers": claims{kind: []any{tr.issuer.ID}}}
	for name, value := range changes {
		all[name] = value
	}
	v := trust.Verify([]string{
		tr.issuer.Configuration(t, claims{"authority_hints": []any{tr.anchor.ID}}), tr.anchor.About(t, tr.issuer, nil),
		tr.anchor.Configuration(t, all),
	}, []trust.Anchor{{ID: tr.anchor.ID, Keys: tr.anchor.Set(t)}}, federationtest.Now)
	if !v.Valid() {
		t.Fatal(v.Err)
	}
	return v
}

// mark is one of the issuer about the app, with changes.
func (tr tree) mark(t testing.TB, header, changes claims) string {
	t.Helper()
	all := claims{
		"iss": tr.issuer.ID, "sub": tr.app.ID, "trust_mark_type": kind, "iat": federationtest.Now.Unix(),
		"exp": federationtest.Now.Add(time.Hour).Unix(),
	}
	for name, value := range changes {
		all[name] = value
	}
	head := claims{"typ": mark.Type}
	for name, value := range header {
		head[name] = value
	}
	return tr.issuer.Sign(t, head, all)
}

// delegation is one of the owner for the issuer, with changes.
func (tr tree) delegation(t testing.TB, by *federationtest.Entity, header, changes claims) string {
	t.Helper()
	all := claims{"iss": tr.owner.ID, "sub": tr.issuer.ID, "trust_mark_type": kind, "iat": federationtest.Now.Unix()}
	for name, value := range changes {
		all[name] = value
	}
	head := claims{"typ": mark.DelegationType}
	for name, value := range header {
		head[name] = value
	}
	return by.Sign(t, head, all)
}

func (tr tree) owned(t testing.TB) claims {
	return claims{"trust_mark_owners": claims{kind: claims{"sub": tr.owner.ID, "jwks": tr.owner.JWKS(t)}}}
}

// TestParse: the form of a mark (OpenID Federation 1.0 §7), each row a fault of one claim or
// header.
func TestParse(t *testing.T) {
	tr := newTree(t)
	for _, row := range []struct {
		name, section   string // of the refusal; empty if the mark is read
		header, changes claims
	}{
		{name: "all claims", changes: claims{"logo_uri": "https://neo.example.vn/m.svg", "ref": "https://neo.example.vn/m"}},
		{name: "claims of others are passed over", changes: claims{"organization_name": "Sở Y tế"}},
		{name: "no exp: it does not expire", changes: claims{"exp": nil}},
		{"typ of a statement", "7", claims{"typ": statement.Type}, nil},
		{"typ in other case", "7", claims{"typ": "Trust-Mark+JWT"}, nil},
		{"no typ", "7", claims{"typ": nil}, nil},
		{"typ JWT", "7", claims{"typ": "JWT"}, nil},
		{"no kid", "7", claims{"kid": nil}, nil},
		{"alg none", "7", claims{"alg": "none"}, nil},
		{"alg HS256", "7", claims{"alg": "HS256"}, nil},
		{"crit in the header", "7", claims{"crit": []string{"exp"}}, nil},
		{"a key in the header", "7", claims{"jwk": claims{"kty": "EC"}}, nil},
		{"no iss", "7.1", nil, claims{"iss": nil}},
		{"iss is no entity", "7.1", nil, claims{"iss": "http://cap-dau.example.vn"}},
		{"no sub", "7.1", nil, claims{"sub": nil}},
		{"sub is a number", "7", nil, claims{"sub": 1}},
		{"no type", "7.1", nil, claims{"trust_mark_type": nil}},
		{"an empty type", "7.1", nil, claims{"trust_mark_type": ""}},
		{"a type of older drafts", "7.1", nil, claims{"trust_mark_type": nil, "id": kind}},
		{"no iat", "7.1", nil, claims{"iat": nil}},
		{"iat is a text", "7", nil, claims{"iat": "now"}},
		{"iat before 1970", "7.1", nil, claims{"iat": -1}},
		{"exp after the year 9999", "7.1", nil, claims{"exp": 253402300800}},
		{"exp not after iat", "7.1", nil, claims{"exp": federationtest.Now.Unix()}},
		{"a logo of a script", "7.1", nil, claims{"logo_uri": "javascript:alert(1)"}},
		{"ref with credentials", "7.1", nil, claims{"ref": "https://a:b@neo.example.vn/"}},
		{"delegation is empty", "7.1", nil, claims{"delegation": ""}},
		{"delegation is an object", "7", nil, claims{"delegation": claims{}}},
		{"longer than a mark may be", "7", nil, claims{"organization_name": strings.Repeat("x", mark.MaxBytes)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, err := mark.Parse(tr.mark(t, row.header, row.changes))
			switch {
			case row.section == "" && err != nil:
				t.Errorf("got %v", err)
			case row.section == "" && (m.Issuer != tr.issuer.ID || m.Subject != tr.app.ID || m.Type != kind):
				t.Errorf("read %+v", m)
			case row.section != "" && (!errors.Is(err, mark.ErrInvalid) || !strings.Contains(err.Error(), "§"+row.section+":")):
				t.Errorf("got %v, want a fault of §%s", err, row.section)
			}
		})
	}
}

// TestValidate: each rule, and the section that it is refused by.
func TestValidate(t *testing.T) {
	tr := newTree(t)
	stranger := federationtest.New(t, "https://la.example.vn")
	ago := func(d time.Duration) int64 { return federationtest.Now.Add(-d).Unix() }
	delegated := func(by *federationtest.Entity, header, changes claims) claims {
		return claims{"delegation": tr.delegation(t, by, header, changes)}
	}
	good := func(q *mark.Question) {}
	for _, row := range []struct {
		name    string
		rule    mark.Rule // that refuses; empty if the mark counts
		token   string
		anchor  claims
		changed func(*mark.Question)
	}{
		{"a mark of an accepted issuer", "", tr.mark(t, nil, nil), nil, good},
		{"an empty list lets everybody issue", "", tr.mark(t, nil, nil), claims{"trust_mark_issuers": claims{kind: []any{}}}, good},
		{"no end", "", tr.mark(t, nil, claims{"exp": nil}), nil, good},
		{"a clock that is a little ahead", "", tr.mark(t, nil, claims{"iat": ago(-trust.Leeway)}), nil, good},
		{"owned, with a delegation", "", tr.mark(t, nil, delegated(tr.owner, nil, nil)), tr.owned(t), good},
		{"not a mark", mark.Form, "x", nil, good},
		{"of another type than stands beside it", mark.Beside, tr.mark(t, nil, nil), nil, func(q *mark.Question) { q.Beside = "https://neo.example.vn/marks/other" }},
		{"about somebody else", mark.Holder, tr.mark(t, nil, claims{"sub": stranger.ID}), nil, good},
		{"about an entity with one slash more", mark.Holder, tr.mark(t, nil, claims{"sub": tr.app.ID + "/"}), nil, good},
		{"from the future", mark.Issued, tr.mark(t, nil, claims{"iat": ago(-2 * trust.Leeway)}), nil, good},
		{"expired this second", mark.Unexpired, tr.mark(t, nil, claims{"iat": ago(time.Hour), "exp": ago(0)}), nil, good},
		{"of an issuer that is not trusted", mark.Issuer, tr.mark(t, nil, nil), nil, func(q *mark.Question) { q.Issuer.Err = trust.ErrChain }},
		{"of another issuer than the chain is of", mark.Issuer, tr.mark(t, nil, claims{"iss": stranger.ID}), nil, good},
		{"of an issuer whose chain has expired", mark.Issuer, tr.mark(t, nil, claims{"exp": nil}), nil, func(q *mark.Question) { q.Now = q.Issuer.Expiry }},
		{"no chain", mark.Issuer, tr.mark(t, nil, nil), nil, func(q *mark.Question) { q.Issuer = trust.Verdict{} }},
		{"the chain lacks the configuration of the anchor", mark.Anchored, tr.mark(t, nil, nil), nil, func(q *mark.Question) { q.Issuer.Chain = q.Issuer.Chain[:2] }},
		{"a type that the anchor does not list", mark.Accepted, tr.mark(t, nil, nil), claims{"trust_mark_issuers": nil}, good},
		{"an issuer that the anchor does not list", mark.Accepted, tr.mark(t, nil, nil), claims{"trust_mark_issuers": claims{kind: []any{stranger.ID}}}, good},
		{"signed by its subject", mark.Key, tr.app.Sign(t, claims{"typ": mark.Type}, claims{"iss": tr.issuer.ID, "sub": tr.app.ID, "trust_mark_type": kind, "iat": ago(0)}), nil, good},
		{"a kid that the issuer does not have", mark.Key, tr.mark(t, claims{"kid": "other"}, nil), nil, good},
		{"owned, without a delegation", mark.Delegated, tr.mark(t, nil, nil), tr.owned(t), good},
		{"owned by the issuer, without a delegation", mark.Delegated, tr.mark(t, nil, nil), claims{"trust_mark_owners": claims{kind: claims{"sub": tr.issuer.ID, "jwks": tr.issuer.JWKS(t)}}}, good},
		{"a delegation that is none", mark.Right, tr.mark(t, nil, claims{"delegation": "x"}), tr.owned(t), good},
		{"a delegation of the type of a mark", mark.Right, tr.mark(t, nil, delegated(tr.owner, claims{"typ": mark.Type}, nil)), tr.owned(t), good},
		{"a delegation without kid", mark.Right, tr.mark(t, nil, delegated(tr.owner, claims{"kid": nil}, nil)), tr.owned(t), good},
		{"a delegation without iat", mark.Right, tr.mark(t, nil, delegated(tr.owner, nil, claims{"iat": nil})), tr.owned(t), good},
		{"a delegation for another issuer", mark.RightFor, tr.mark(t, nil, delegated(tr.owner, nil, claims{"sub": stranger.ID})), tr.owned(t), good},
		{"a delegation of another owner", mark.RightOf, tr.mark(t, nil, delegated(tr.owner, nil, claims{"iss": stranger.ID})), tr.owned(t), good},
		{"a delegation where nobody owns the type", mark.RightOf, tr.mark(t, nil, delegated(tr.owner, nil, nil)), nil, good},
		{"a delegation for another type", mark.RightType, tr.mark(t, nil, delegated(tr.owner, nil, claims{"trust_mark_type": "https://x.example.vn"})), tr.owned(t), good},
		{"a delegation from the future", mark.RightSince, tr.mark(t, nil, delegated(tr.owner, nil, claims{"iat": ago(-time.Hour)})), tr.owned(t), good},
		{"a delegation that has expired", mark.RightUntil, tr.mark(t, nil, delegated(tr.owner, nil, claims{"iat": ago(time.Hour), "exp": ago(0)})), tr.owned(t), good},
		{"a delegation signed by the issuer", mark.RightKey, tr.mark(t, nil, delegated(tr.issuer, nil, nil)), tr.owned(t), good},
	} {
		t.Run(row.name, func(t *testing.T) {
			q := mark.Question{Holder: tr.app.ID, Beside: kind, Issuer: tr.chain(t, row.anchor), Now: federationtest.Now}
			row.changed(&q)
			v := mark.Validate(row.token, q)
			if v.Valid() != (row.rule == "") || v.Err != nil && !errors.Is(v.Err, mark.ErrMark) {
				t.Fatalf("got %v", v.Err)
			}
			for i, c := range v.Trail {
				failed := i == len(v.Trail)-1 && row.rule != ""
				if c.Passed == failed || failed && c.Rule != row.rule || c.Section == "" || c.Want == "" || c.Saw == "" {
					t.Errorf("line %d of the trail is %+v, want the last to be of %q", i, c, row.rule)
				}
			}
		})
	}
}

// TestReadStatus: what the issuer answers about a mark (OpenID Federation 1.0 §8.4.2).
func TestReadStatus(t *testing.T) {
	tr := newTree(t)
	token := tr.mark(t, nil, nil)
	about, err := mark.Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	now := federationtest.Now
	answer := func(by *federationtest.Entity, header, changes claims) string {
		all := claims{"iss": tr.issuer.ID, "iat": now.Unix(), "trust_mark": token, "status": "active"}
		for name, value := range changes {
			all[name] = value
		}
		head := claims{"typ": mark.StatusType}
		for name, value := range header {
			head[name] = value
		}
		return by.Sign(t, head, all)
	}
	for _, row := range []struct {
		name   string
		want   mark.Status // empty if it is refused
		answer string
	}{
		{"active", mark.Active, answer(tr.issuer, nil, nil)},
		{"revoked", mark.Revoked, answer(tr.issuer, nil, claims{"status": "revoked"})},
		{"a state of the federation's own", "on-hold", answer(tr.issuer, nil, claims{"status": "on-hold"})},
		{"the answer of older drafts", "", `{"active":true}`},
		{"typ of a mark", "", answer(tr.issuer, claims{"typ": mark.Type}, nil)},
		{"no typ", "", answer(tr.issuer, claims{"typ": nil}, nil)},
		{"no kid", "", answer(tr.issuer, claims{"kid": nil}, nil)},
		{"signed by somebody else", "", answer(tr.app, nil, nil)},
		{"of another issuer", "", answer(tr.issuer, nil, claims{"iss": tr.app.ID})},
		{"about another mark", "", answer(tr.issuer, nil, claims{"trust_mark": tr.mark(t, nil, claims{"exp": nil})})},
		{"about no mark", "", answer(tr.issuer, nil, claims{"trust_mark": nil})},
		{"no status", "", answer(tr.issuer, nil, claims{"status": nil})},
		{"no iat", "", answer(tr.issuer, nil, claims{"iat": nil})},
		{"kept from before", "", answer(tr.issuer, nil, claims{"iat": now.Add(-2 * mark.MaxStatusAge).Unix()})},
		{"from the future", "", answer(tr.issuer, nil, claims{"iat": now.Add(2 * trust.Leeway).Unix()})},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := mark.ReadStatus(row.answer, about, tr.issuer.Set(t), now)
			if got != row.want || (err == nil) != (row.want != "") || err != nil && !errors.Is(err, mark.ErrInvalid) {
				t.Errorf("got %q, %v, want %q", got, err, row.want)
			}
		})
	}
}

// TestValidateChangesNothingLater: a mark that does not count does not count later, unless
// it was from the future: time alone makes nobody trusted.
func TestValidateChangesNothingLater(t *testing.T) {
	tr := newTree(t)
	issuer := tr.chain(t, tr.owned(t))
	rapid.Check(t, func(rt *rapid.T) {
		seconds := func(name string) int64 { return federationtest.Now.Unix() + rapid.Int64Range(-7200, 0).Draw(rt, name) }
		issued := seconds("iat")
		token := tr.mark(t, nil, claims{
			"iat": issued, "exp": issued + rapid.Int64Range(1, 9000).Draw(rt, "life"),
			"delegation": tr.delegation(t, tr.owner, nil, claims{"iat": seconds("since"), "exp": seconds("until") + 7201}),
		})
		at := func(d time.Duration) bool {
			q := mark.Question{Holder: tr.app.ID, Beside: kind, Issuer: issuer, Now: federationtest.Now.Add(d)}
			return mark.Validate(token, q).Valid()
		}
		later := time.Duration(rapid.Int64Range(0, 20000).Draw(rt, "later")) * time.Second
		if !at(0) && at(later) {
			rt.Fatalf("refused now, and counts after %v", later)
		}
	})
}

// FuzzParse: what is read has every required claim, and is read the same way again.
func FuzzParse(f *testing.F) {
	tr := newTree(f)
	f.Add(tr.mark(f, nil, nil))
	f.Add(tr.mark(f, nil, claims{"exp": nil, "delegation": tr.delegation(f, tr.owner, nil, nil)}))
	f.Add(tr.delegation(f, tr.owner, nil, nil))
	f.Fuzz(func(t *testing.T, token string) {
		if d, err := mark.ParseDelegation(token); err == nil && (d.Owner == "" || d.Issuer == "" || d.Type == "" || d.IssuedAt.IsZero()) {
			t.Errorf("read a delegation that lacks something: %+v", d)
		}
		m, err := mark.Parse(token)
		if err != nil {
			if !errors.Is(err, mark.ErrInvalid) {
				t.Errorf("the refusal is %v", err)
			}
			return
		}
		again, err := mark.Parse(m.Token())
		if err != nil || m.Issuer == "" || m.Subject == "" || m.Type == "" || !m.Expiry.IsZero() && !m.IssuedAt.Before(m.Expiry) ||
			again.Issuer != m.Issuer || again.Subject != m.Subject || again.Type != m.Type || !again.Expiry.Equal(m.Expiry) {
			t.Errorf("read %+v, then %+v, %v", m, again, err)
		}
	})
}

// FuzzReadStatus: whatever an issuer answers, nothing is read that it did not sign.
func FuzzReadStatus(f *testing.F) {
	tr := newTree(f)
	m, err := mark.Parse(tr.mark(f, nil, nil))
	if err != nil {
		f.Fatal(err)
	}
	good := tr.issuer.Sign(f, claims{"typ": mark.StatusType}, claims{
		"iss": tr.issuer.ID, "iat": federationtest.Now.Unix(), "trust_mark": m.Token(), "status": "active",
	})
	f.Add(good)
	f.Add(good + ".x")
	f.Add(tr.mark(f, nil, nil))
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := mark.ReadStatus(token, m, tr.issuer.Set(t), federationtest.Now); (err == nil) != (token == good) {
			t.Errorf("%q: %v", token, err)
		}
	})
}
