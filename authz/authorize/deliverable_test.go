package authorize_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
)

// What could not be delivered is not asked of the person: the request is refused, or the
// claim left out of it before she is asked.
func TestNobodyIsAskedForWhatCannotBeDelivered(t *testing.T) {
	details := []authz.Release{{Type: authz.ReleaseType, Registry: "eid", Purpose: "authn.represent", Basis: "LB-LAW", Attributes: []authz.AttributeID{"eid.mandates"}}}
	for _, row := range []struct {
		name  string
		set   func(w *authztest.World)
		asks  []string
		code  string
		kept  []authz.AttributeID // of the pending request's wishes
		leave []authz.AttributeID
	}{
		{"RFC 9396 §5: releases, and nothing binds the token", func(w *authztest.World) { w.DetailsRead = details }, []string{"authorization_details", "[]"}, "invalid_authorization_details", nil, nil},
		{"releases, bound by registration", func(w *authztest.World) { w.DetailsRead, w.App.DPoPBound = details, true }, []string{"authorization_details", "[]"}, "", []authz.AttributeID{"eid.mandates"}, nil},
		{"releases, bound by certificate", func(w *authztest.World) { w.DetailsRead, w.App.CertificateBound = details, true }, []string{"authorization_details", "[]"}, "", []authz.AttributeID{"eid.mandates"}, nil},
		{
			"releases, bound by dpop_jkt", func(w *authztest.World) { w.DetailsRead = details },
			[]string{"authorization_details", "[]", "dpop_jkt", strings.Repeat("a", 43)},
			"",
			[]authz.AttributeID{"eid.mandates"},
			nil,
		},
		{
			"a key that an answer through the browser has no use for", nil,
			[]string{"response_type", "id_token", "nonce", "n", "dpop_jkt", strings.Repeat("a", 43), "claims", `{"id_token":{"urn:vn:gov:eid:mandates":null,"email":null}}`},
			"",
			[]authz.AttributeID{"eid.email"},
			[]authz.AttributeID{"eid.mandates"},
		},
		{
			"mandates and verified claims of a bearer are left out", nil,
			[]string{"claims", `{"userinfo":{"urn:vn:gov:eid:mandates":null,"email":null},"id_token":{"verified_claims":{"verification":{"trust_framework":null},"claims":{"birthdate":null}}}}`},
			"",
			[]authz.AttributeID{"eid.email"},
			[]authz.AttributeID{"eid.mandates", "population.birth_date"},
		},
		{
			"and asked for where the token is bound", func(w *authztest.World) { w.App.DPoPBound = true },
			[]string{"claims", `{"userinfo":{"urn:vn:gov:eid:mandates":null,"email":null},"id_token":{"verified_claims":{"verification":{"trust_framework":null},"claims":{"birthdate":null}}}}`},
			"",
			[]authz.AttributeID{"eid.email", "eid.mandates", "population.birth_date"},
			nil,
		},
		{
			"what only they ask for leaves nothing to ask", nil,
			[]string{"claims", `{"userinfo":{"urn:vn:gov:eid:mandates":null}}`},
			"", nil,
			[]authz.AttributeID{"eid.mandates"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := authztest.New(t)
			w.OptIn()
			w.Declare()
			w.App.CertificateBound, w.App.DPoPBound = false, false
			if row.set != nil {
				row.set(w)
			}
			next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+authztest.Authorization(row.asks...).Encode(), nil))
			if err != nil {
				t.Fatal(err)
			}
			if refused := strings.Contains(next.Location, "error="); refused != (row.code != "") ||
				!strings.Contains(next.Location, row.code) {
				t.Fatalf("sent to %s", next.Location)
			}
			for _, id := range row.kept {
				if !w.WasAsked(id) {
					t.Errorf("%s was not asked for: %+v", id, w.Wanted)
				}
			}
			for _, id := range row.leave {
				if w.WasAsked(id) {
					t.Errorf("%s was asked for: %+v", id, w.Wanted)
				}
			}
		})
	}
}
