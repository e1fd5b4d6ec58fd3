package authztest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/token"
)

// Register is what stands for the consent part, the broker and the registers: it
// grants what was not withheld, releases what was granted and not withdrawn, and
// remembers what it released.
type Register struct {
	Withheld  map[authz.AttributeID]bool
	Withdrawn map[authz.PurposeID]bool
	Down      bool
	Events    []authz.Demand
}

// Records are her records, each value such that it is known again in an answer.
var Records = map[authz.AttributeID]any{
	"population.full_name": "Trần Thị Mẫu An", "population.birth_date": "2004-02-29", "population.sex": "nữ", "population.updated_on": "2026-01-02",
	"population.permanent_address": map[string]any{"line": "Số 5, đường Lê Lợi", "province": "48", "list": "2025-07-01"},
	"eid.email":                    "an@example.vn", "eid.phone": "+84000000017",
	"eid.mandates": []any{map[string]any{"organisation": map[string]any{"name": "Công ty Mẫu"}}},
}

// Traces are what an answer holds of each attribute, whichever claim tells it.
var Traces = map[string]authz.AttributeID{
	"An": "population.full_name", "Asia/Ho_Chi_Minh": "population.full_name", "2004-02-29": "population.birth_date", `"female"`: "population.sex",
	"1767286800": "population.updated_on", "2026-01-02": "population.updated_on", "Lê Lợi": "population.permanent_address",
	"an@example.vn": "eid.email", "email_verified": "eid.email", "+84000000017": "eid.phone", "phone_number_verified": "eid.phone", "Công ty Mẫu": "eid.mandates",
}

func (r *Register) agreed(wanted []authz.Release) []authz.Release {
	var out []authz.Release
	for _, one := range wanted {
		one.Attributes = slices.DeleteFunc(slices.Clone(one.Attributes), func(id authz.AttributeID) bool { return r.Withheld[id] })
		if len(one.Attributes) > 0 {
			out = append(out, one)
		}
	}
	return out
}

// Wishes asks for attributes by the app's declarations.
func (w *World) Wishes(client *authz.Client, attributes []authz.AttributeID) []authz.Release {
	var out []authz.Release
	for _, d := range client.Declarations {
		r := authz.Release{Type: authz.ReleaseType, Registry: d.Registry, Purpose: d.Purpose, Basis: d.Basis}
		for _, id := range attributes {
			if slices.Contains(d.Attributes, id) {
				r.Attributes = append(r.Attributes, id)
			}
		}
		if len(r.Attributes) > 0 {
			out = append(out, r)
		}
	}
	return out
}

// Release releases what the grant covers, the person has not withdrawn and the register has.
func (w *World) Release(ctx context.Context, d authz.Demand) (token.Released, bool, error) {
	if w.Register.Down {
		return token.Released{}, false, fmt.Errorf("the register: %w", authz.ErrUnavailable)
	}
	g, err := w.Memory.Grant(ctx, d.Grant)
	switch granted := slices.IndexFunc(
		g.Details, func(r authz.Release) bool { return r.Registry == d.Registry && r.Purpose == d.Purpose },
	); {
	case err != nil, granted < 0, w.Register.Withdrawn[d.Purpose]:
		return token.Released{}, false, nil
	case !g.Live(w.Now) && !d.Redeeming:
		return token.Released{}, false, nil
	default:
		for _, id := range d.Attributes {
			if !slices.Contains(g.Details[granted].Attributes, id) {
				return token.Released{}, false, nil
			}
		}
	}
	w.Register.Events = append(w.Register.Events, d)
	r := token.Released{Values: map[authz.AttributeID]any{}, Kind: "citizen", Account: 2, Proofed: w.Now.AddDate(-1, 0, 0)}
	for _, id := range d.Attributes {
		r.Values[id] = Records[id]
	}
	return r, true, nil
}

// Declare lets the app ask for all claims.
func (w *World) Declare() {
	w.App.Scopes = append(w.App.Scopes, "profile", "email", "phone", "address")
	w.App.Declarations = []authz.Declaration{
		{Purpose: "dvc.prefill", Registry: "population", Basis: authz.BasisState, Attributes: []authz.AttributeID{
			"population.full_name", "population.birth_date", "population.sex", "population.updated_on", "population.permanent_address",
		}},
		{Purpose: "dvc.prefill", Registry: "eid", Basis: authz.BasisState, Attributes: []authz.AttributeID{"eid.email", "eid.phone"}},
		{Purpose: "authn.represent", Registry: "eid", Basis: "LB-LAW", Attributes: []authz.AttributeID{"eid.mandates"}},
	}
}

// Answers are the answers of one sign-in: token response, ID token, UserInfo.
type Answers struct {
	Tokens    map[string]any
	ID, About string
}

// Bind makes the app one whose tokens are bound to a key.
func (w *World) Bind(t testing.TB) {
	w.App.DPoPBound, w.Holder = true, NewKey(t)
}

// SignIn goes from a request to UserInfo, with the holder's key if there is one.
func (w *World) SignIn(t testing.TB, f url.Values) Answers {
	t.Helper()
	next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+f.Encode(), nil))
	if err != nil {
		t.Fatalf("%v", err)
	}
	u, err := url.Parse(next.Location)
	if err != nil || u.Query().Get("code") == "" {
		t.Fatalf("sent to %q, %v", next.Location, err)
	}
	answer := w.Redeem(t, w.Holder, u.Query().Get("code"))
	var out Answers
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &out.Tokens) != nil {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if token, _ := out.Tokens["id_token"].(string); token != "" {
		out.ID = ClaimsText(t, token)
	}
	info := w.AtResource(t, w.UserInfo, w.Holder, http.MethodGet, "/userinfo", out.Tokens["access_token"].(string))
	if info.Code != http.StatusOK {
		t.Fatalf("%d %s", info.Code, info.Body)
	}
	out.About = info.Body.String()
	return out
}

// About asks UserInfo with a bearer token.
func (w *World) About(token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	out := httptest.NewRecorder()
	w.UserInfo(out, r)
	return out
}

// ClaimsText is the payload of a JWS as text.
func ClaimsText(t interface{ Fatalf(string, ...any) }, token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWS: %q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(raw)
}

// WasReleased reports whether an event of a release names the attribute.
func (w *World) WasReleased(attribute authz.AttributeID) bool {
	return slices.ContainsFunc(w.Register.Events, func(d authz.Demand) bool { return slices.Contains(d.Attributes, attribute) })
}
