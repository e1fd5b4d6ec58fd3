package change

import (
	"reflect"
	"strings"
	"testing"

	"hopnhat/authz"
)

// TestWhatALaterReleaseAddsChangesNoState: the states of an app and of an API without a value, and
// with one entry in each list, name no member but those below. The zero of a field that is added is
// one of empties; within an entry of a list, or in Verified, the field says omitempty or omitzero.
// One that does neither would change what every app there is was committed to, and
// reconciliation would find them all.
func TestWhatALaterReleaseAddsChangesNoState(t *testing.T) {
	app, api := &authz.Client{}, &authz.Resource{}
	entries(reflect.ValueOf(app).Elem())
	entries(reflect.ValueOf(api).Elem())
	const verified = `"Verified":{"At":"0001-01-01T00:00:00Z","By":""}}`
	for _, row := range []struct {
		name string
		of   any
		want string
	}{
		{"an app", &authz.Client{}, `{` + verified},
		{"an API", Resource(&authz.Resource{}), `{}`},
		{
			"an app with an entry in each list", app,
			`{"Declarations":[{"attributes":null,"explanation":{"en":"","vi":""},"legal_basis":"","purpose":"","registry":""}],` +
				`"TokenExchange":[{"audience":null,"clients":null}],` +
				`"TrustedIssuers":[{"audience":null,"issuer":"","jwks":null,"subjects":null}],` + verified,
		},
		{"an API with an entry in each list", Resource(api), `{}`},
	} {
		if state, err := State(row.of); err != nil || string(state) != row.want {
			t.Errorf("%s: got %s (%v), want %s", row.name, state, err, row.want)
		}
	}
}

// entries puts one entry without a value into each list of structs.
func entries(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		entries(v.Index(0))
	case v.Kind() == reflect.Struct && strings.HasSuffix(v.Type().PkgPath(), "hopnhat/authz"):
		for i := range v.NumField() {
			entries(v.Field(i))
		}
	}
}
