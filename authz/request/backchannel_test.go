package request_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
	"hopnhat/authz/request"
)

var (
	apart = &request.Checker{ScopesKnown: []string{"openid", "offline_access"}, Details: func(raw []byte, _ *authz.Client) ([]authz.Release, error) {
		if string(raw) != "[]" {
			return nil, authz.NewError(authz.InvalidAuthorizationDetails, "no")
		}
		return nil, nil
	}, Resources: []string{issuer + "/userinfo"}}
	pollApp = &authz.Client{ID: "app", Requests: authz.Requests{Scopes: []string{"openid"}}, CIBA: authz.CIBA{BackchannelDelivery: authz.Poll}}
	pingApp = &authz.Client{ID: "app", Requests: authz.Requests{Scopes: []string{"openid"}}, CIBA: authz.CIBA{BackchannelDelivery: authz.Ping}}
)

func codeOf(t *testing.T, err error) authz.Code {
	t.Helper()
	var refusal *authz.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &refusal):
		t.Fatalf("%v is no refusal", err)
	}
	return refusal.Code
}

// TestSignInOfBefore: an app that registered how old a sign-in may be is not given an
// older one because another device asks.
func TestSignInOfBefore(t *testing.T) {
	minute, app := 60, *pollApp
	app.DefaultMaxAge = &minute
	device, err := apart.Device(url.Values{"scope": {"openid"}}, &app, authz.Profiles[authz.FAPI2])
	if err != nil || device.MaxAge == nil || *device.MaxAge != 60 {
		t.Errorf("RFC 8628: %+v, %v", device.MaxAge, err)
	}
	ciba, err := apart.Backchannel(url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}, &app, authz.Profiles[authz.FAPI2])
	if err != nil || ciba.MaxAge == nil || *ciba.MaxAge != 60 {
		t.Errorf("CIBA: %+v, %v", ciba.MaxAge, err)
	}
}

func TestDevice(t *testing.T) {
	for _, row := range []struct {
		name string
		form url.Values
		want authz.Code
	}{
		{"RFC 8628 §3.1: a scope", url.Values{"scope": {"openid"}}, ""},
		{"RFC 8628 §3.1: authorization_details alone", url.Values{"authorization_details": {"[]"}}, ""},
		{"RFC 6749 §3.3: nothing", url.Values{}, authz.InvalidScope},
		{"RFC 6749 §3.3: not registered", url.Values{"scope": {"openid offline_access"}}, authz.InvalidScope},
		{"RFC 6749 §3.3: nothing that is known", url.Values{"scope": {"admin"}}, authz.InvalidScope},
		{"OpenID Connect Core §3.1.2.1: one that nobody knows beside it", url.Values{"scope": {"openid admin"}}, ""},
		{"RFC 8707 §2: a resource", url.Values{"scope": {"openid"}, "resource": {issuer + "/userinfo"}}, ""},
		{"RFC 8707 §2: an unknown resource", url.Values{"scope": {"openid"}, "resource": {"https://elsewhere.example"}}, authz.InvalidTarget},
		{"RFC 9396 §5: wrong details", url.Values{"authorization_details": {"{"}}, authz.InvalidAuthorizationDetails},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, err := apart.Device(row.form, pollApp, authz.Profiles[authz.FAPI2])
			if got := codeOf(t, err); got != row.want || err == nil && (!a.Decoupled || !a.HasCode() || a.ClientID != "app") {
				t.Errorf("got %q, want %q: %+v", got, row.want, a)
			}
		})
	}
}

// TestBackchannel: what CIBA Core §7.2 has checked of an authentication request.
func TestBackchannel(t *testing.T) {
	token := strings.Repeat("a", 22)
	for _, row := range []struct {
		name   string
		client *authz.Client
		change url.Values
		want   authz.Code
	}{
		{"CIBA Core §7.1: the least", pollApp, nil, ""},
		{"CIBA Core §7.1: no openid", pollApp, url.Values{"scope": {"profile"}}, authz.InvalidScope},
		{"CIBA Core §7.1: no hint", pollApp, url.Values{"login_hint": nil}, authz.InvalidRequest},
		{"CIBA Core §7.1: login_hint_token", pollApp, url.Values{"login_hint": nil, "login_hint_token": {"x"}}, ""},
		{"CIBA Core §7.1: id_token_hint", pollApp, url.Values{"login_hint": nil, "id_token_hint": {"x"}}, ""},
		{"CIBA Core §7.1: two hints", pollApp, url.Values{"login_hint_token": {"x"}}, authz.InvalidRequest},
		{"CIBA Core §7.1: three hints", pollApp, url.Values{"login_hint_token": {"x"}, "id_token_hint": {"x"}}, authz.InvalidRequest},
		{"user_code", pollApp, url.Values{"user_code": {"1"}}, authz.InvalidRequest},
		{"a message in Vietnamese", pollApp, url.Values{"binding_message": {"Quầy số 7: mã 42, hồ sơ (đất)"}}, ""},
		{"the longest message", pollApp, url.Values{"binding_message": {strings.Repeat("ổ", 64)}}, ""},
		{"CIBA Core §13: a longer one", pollApp, url.Values{"binding_message": {strings.Repeat("ổ", 65)}}, authz.InvalidBindingMessage},
		{"CIBA Core §13: a line break", pollApp, url.Values{"binding_message": {"a\nb"}}, authz.InvalidBindingMessage},
		{"CIBA Core §13: a picture", pollApp, url.Values{"binding_message": {"42 ✅"}}, authz.InvalidBindingMessage},
		{"a message that was not composed", pollApp, url.Values{"binding_message": {norm.NFD.String("Quầy số 7")}}, ""},
		{"CIBA Core §13: the code once more in digits that are not hidden", pollApp, url.Values{"binding_message": {"４２ la 42"}}, authz.InvalidBindingMessage},
		{"CIBA Core §13: the code with a sign in it that is not seen", pollApp, url.Values{"binding_message": {"4\u034f2 la 42"}}, authz.InvalidBindingMessage},
		{"CIBA Core §13: letters that run the other way", pollApp, url.Values{"binding_message": {"אב 42"}}, authz.InvalidBindingMessage},
		{"CIBA Core §13: blank", pollApp, url.Values{"binding_message": {"   "}}, authz.InvalidBindingMessage},
		{"CIBA Core §7.1: requested_expiry", pollApp, url.Values{"requested_expiry": {"120"}}, ""},
		{"CIBA Core §7.1: requested_expiry of nothing", pollApp, url.Values{"requested_expiry": {"0"}}, authz.InvalidRequest},
		{"CIBA Core §7.1: requested_expiry negative", pollApp, url.Values{"requested_expiry": {"-1"}}, authz.InvalidRequest},
		{"CIBA Core §7.1: requested_expiry with a part", pollApp, url.Values{"requested_expiry": {"1.5"}}, authz.InvalidRequest},
		{"CIBA Core §7.1: poll needs no client_notification_token", pollApp, nil, ""},
		{"CIBA Core §7.1: ping needs one", pingApp, nil, authz.InvalidRequest},
		{"CIBA Core §7.1: of 22 characters", pingApp, url.Values{"client_notification_token": {token}}, ""},
		{"CIBA Core §7.1: shorter holds no 128 bits", pingApp, url.Values{"client_notification_token": {token[1:]}}, authz.InvalidRequest},
		{"CIBA Core §7.1: of 1024 characters", pingApp, url.Values{"client_notification_token": {strings.Repeat("a", 1024)}}, ""},
		{"CIBA Core §7.1: longer", pingApp, url.Values{"client_notification_token": {strings.Repeat("a", 1025)}}, authz.InvalidRequest},
		{"RFC 6750 §2.1: all its characters", pingApp, url.Values{"client_notification_token": {token + "AZ09-._~+/=="}}, ""},
		{"RFC 6750 §2.1: = in the middle", pingApp, url.Values{"client_notification_token": {token + "=a"}}, authz.InvalidRequest},
		{"RFC 6750 §2.1: a line break", pingApp, url.Values{"client_notification_token": {token + "\r\nX: y"}}, authz.InvalidRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			form := url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}
			for name, values := range row.change {
				form[name] = values
			}
			b, err := apart.Backchannel(form, row.client, authz.Profiles[authz.FAPI2])
			if got := codeOf(t, err); got != row.want {
				t.Fatalf("got %q, want %q", got, row.want)
			}
			if err == nil && (!b.Decoupled || b.Message != norm.NFC.String(form.Get("binding_message")) ||
				row.client == pollApp && b.NotificationToken != "") {
				t.Errorf("%+v", b)
			}
		})
	}
}

// asked are the claims of a right signed authentication request; with changes one,
// nil takes it out.
func asked(t testing.TB, with map[string]any) json.RawMessage {
	t.Helper()
	all := map[string]any{
		"iss": "app", "aud": issuer, "exp": noon.Add(5 * time.Minute).Unix(), "nbf": noon.Unix(), "iat": noon.Unix(), "jti": "1",
		"scope": "openid", "login_hint": "099000000001",
	}
	for k, v := range with {
		if v == nil {
			delete(all, k)
		} else {
			all[k] = v
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestFromSigned(t *testing.T) {
	assertion := url.Values{"request": {"x"}, "client_assertion": {"x"}, "client_assertion_type": {"x"}, "client_id": {"app"}}
	for _, row := range []struct {
		name  string
		with  map[string]any
		outer url.Values
		good  bool
	}{
		{"all in order", nil, assertion, true},
		{"aud as a list", map[string]any{"aud": []string{"https://other.example", issuer}}, assertion, true},
		{"requested_expiry as a number", map[string]any{"requested_expiry": 120}, assertion, true},
		{"requested_expiry as text", map[string]any{"requested_expiry": "120"}, assertion, true},
		{"authorization_details as JSON", map[string]any{"authorization_details": []any{map[string]any{"type": "x"}}}, assertion, true},
		{"CIBA Core §7.1.1: a parameter beside it", nil, url.Values{"request": {"x"}, "scope": {"openid"}}, false},
		{"CIBA Core §7.1.1: a second request beside it", nil, url.Values{"request": {"x"}, "request_uri": {"y"}}, false},
		{"CIBA Core §7.1.1: no iss", map[string]any{"iss": nil}, assertion, false},
		{"CIBA Core §7.1.1: iss of another", map[string]any{"iss": "other"}, assertion, false},
		{"CIBA Core §7.1.1: no aud", map[string]any{"aud": nil}, assertion, false},
		{"CIBA Core §7.1.1: aud of another", map[string]any{"aud": []string{"https://other.example"}}, assertion, false},
		{"CIBA Core §7.1.1: no exp", map[string]any{"exp": nil}, assertion, false},
		{"CIBA Core §7.1.1: expired", map[string]any{"exp": noon.Unix(), "nbf": noon.Add(-time.Minute).Unix()}, assertion, false},
		{"CIBA Core §7.1.1: no nbf", map[string]any{"nbf": nil}, assertion, false},
		{"CIBA Core §7.1.1: no iat", map[string]any{"iat": nil}, assertion, false},
		{"iat ahead", map[string]any{"iat": noon.Add(time.Minute).Unix()}, assertion, false},
		{"CIBA Core §7.1.1: no jti", map[string]any{"jti": nil}, assertion, false},
		{"jti over-long", map[string]any{"jti": strings.Repeat("j", 257)}, assertion, false},
		{"FAPI-CIBA §5.2.2: 61 minutes", map[string]any{"exp": noon.Add(61 * time.Minute).Unix()}, assertion, false},
		{"FAPI-CIBA §5.2.2: nbf 61 minutes ago", map[string]any{"nbf": noon.Add(-61 * time.Minute).Unix()}, assertion, false},
		{"a wrong type", map[string]any{"exp": "soon"}, assertion, false},
		{"a request inside", map[string]any{"request": "x"}, assertion, false},
		{"a secret inside", map[string]any{"client_secret": "x"}, assertion, false},
		{"client_id of another inside", map[string]any{"client_id": "other"}, assertion, false},
		{"a parameter with two values", map[string]any{"scope": []string{"openid", "profile"}}, assertion, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			form, jti, expires, err := request.FromSigned(asked(t, row.with), row.outer, &authz.Client{ID: "app"}, issuer, noon)
			if got := codeOf(t, err); row.good != (err == nil) || err != nil && got != authz.InvalidRequest {
				t.Fatalf("got %v", err)
			}
			if err == nil && (form.Get("login_hint") != "099000000001" || form.Has("iss") || jti != "1" || !expires.After(noon)) {
				t.Errorf("%v, %q, %s", form, jti, expires)
			}
		})
	}
}

// FuzzFromSigned: whatever a client signs, what comes out keeps the limits of any
// request, holds no registered claim, and is refused or checked without a panic.
func FuzzFromSigned(f *testing.F) {
	f.Add([]byte(asked(f, nil)))
	f.Add([]byte(asked(f, map[string]any{"binding_message": "Quầy 7: 42", "requested_expiry": "9", "resource": []string{"a", "b"}})))
	f.Add([]byte(`{"iss":"app","aud":["x"],"exp":1e300,"jti":{}}`))
	f.Fuzz(func(t *testing.T, claims []byte) {
		form, jti, _, err := request.FromSigned(claims, url.Values{"request": {"x"}}, &authz.Client{ID: "app"}, issuer, noon)
		if err != nil {
			return
		}
		if jti == "" || form.Has("iss") || form.Has("exp") || form.Has("request") {
			t.Fatalf("%q, %v", jti, form)
		}
		if again, err := request.ParseForm(form.Encode()); err != nil || len(again) != len(form) {
			t.Fatalf("%v is not the form of a request: %v", form, err)
		}
		b, err := apart.Backchannel(form, pingApp, authz.Profiles[authz.FAPI2])
		if err == nil && (len(b.NotificationToken) < 22 || len([]rune(b.Message)) > 64 || strings.ContainsAny(b.Message, "<>\n\r\u202e")) {
			t.Fatalf("%+v", b)
		}
	})
}
