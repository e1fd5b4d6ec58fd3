package explain_test

import (
	"strings"
	"testing"

	"hopnhat/federation"
	"hopnhat/federation/explain"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/mark"
	"hopnhat/federation/rehearsal"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

type claims = federationtest.Claims

// TestExplain: the answer has the verdict with its trail, and each mark with what its issuer says.
func TestExplain(t *testing.T) {
	const kind = "https://neo.example.vn/marks/public"
	neo, app := federationtest.New(t, "https://neo.example.vn"), federationtest.New(t, "https://app.example.vn")
	granted := neo.Sign(t, claims{"typ": mark.Type}, claims{
		"iss": neo.ID, "sub": app.ID, "trust_mark_type": kind,
		"iat": federationtest.Now.Unix(),
	})
	own := app.Configuration(t, claims{
		"authority_hints": []federation.EntityID{neo.ID}, "metadata": claims{"openid_relying_party": claims{}},
		"trust_marks": []claims{{"trust_mark_type": kind, "trust_mark": granted}},
	})
	top := neo.Configuration(t, claims{"trust_mark_issuers": claims{kind: []federation.EntityID{neo.ID}}})
	for _, row := range []struct {
		name       string
		statements []string
		holds      bool
		want       string
	}{
		{"trusted, with its mark", []string{own, top, neo.About(t, app, nil)}, true, "found trusted mark"},
		{"a mark that its issuer took back", []string{own, top, neo.About(t, app, nil)}, false, "found trusted"},
		{"a mark of an issuer who may not", []string{own, neo.Configuration(t, nil), neo.About(t, app, nil)}, true, "found trusted"},
		{"not trusted", []string{own, top, neo.About(t, app, claims{"jwks": neo.JWKS(t)})}, true, "found"},
		{"nobody states it", []string{own, top}, true, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			k := rehearsal.Known{
				Anchors: []trust.Anchor{{ID: neo.ID, Keys: neo.Set(t)}},
				Holds:   func(federation.EntityID, string, federation.EntityID) bool { return row.holds },
			}
			for _, token := range row.statements {
				k.Statements = append(k.Statements, federationtest.Parse(t, token))
			}
			a := explain.Explain(k, app.ID, federationtest.Now)
			var got []string
			if a.Found {
				got = append(got, "found")
				if len(a.Verdict.Trail) == 0 {
					t.Error("there is no trail")
				}
				if a.Verdict.Valid() {
					got = append(got, "trusted")
				}
			}
			for _, m := range a.Marks {
				if m.Type != kind {
					t.Errorf("a mark of type %q", m.Type)
				}
				if m.Counts() {
					got = append(got, "mark")
				}
			}
			if strings.Join(got, " ") != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	if s := federationtest.Parse(t, own); string(s.RawKeys()) == "" || (statement.Statement{}).RawKeys() != nil {
		t.Error("the keys of a statement are those of its payload")
	}
}
