package registration

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"hopnhat/authz"
)

// lawful is a catalogue that allows every declaration but one of purpose
// "marketing".
type lawful struct{}

func (lawful) CheckDeclaration(d authz.Declaration) error {
	if d.Purpose == "marketing" {
		return errors.New("national registers are not for marketing")
	}
	return nil
}

var rules = Rules{Catalogue: lawful{}}

const (
	ecKey  = `{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	ecKeys = `{"keys":[` + ecKey + `]}`
	app    = `{"client_id":"so-dat","client_name":"Sổ đất","jwks":` + ecKeys + `,"redirect_uris":["https://dat.example.vn/cb"]}`
)

// with is metadata with members replaced; a null takes one out.
func with(t testing.TB, base, changes string) []byte {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(base), &object); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(changes), &object); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRules(t *testing.T) {
	const metadata, redirect = authz.InvalidClientMetadata, authz.InvalidRedirectURI
	for _, row := range []struct {
		name, clause, changes string
		code                  authz.Code
		member                string
	}{
		{"the least", "", `{}`, "", ""},
		{"the longest address of mail", "RFC 5321 §4.5.3.1", `{"contacts":["` + strings.Repeat("a", 242) + `@example.com"]}`, "", ""},
		{"a contact that is longer", "RFC 5321 §4.5.3.1", `{"contacts":["` + strings.Repeat("a", 243) + `@example.com"]}`, metadata, "contacts"},
		{"members not known are passed over", "RFC 7591 §2", `{"made_up":1}`, "", ""},
		{"a grant that nobody offers", "RFC 7591 §2.1", `{"grant_types":["password"]}`, metadata, "grant_types"},
		{"a code and nowhere to send it", "RFC 7591 §2.1", `{"redirect_uris":[]}`, redirect, "redirect_uris"},
		{"CIBA in a profile of redirects", "FAPI 2.0 SP §5.3.2.1", `{"grant_types":["authorization_code","urn:openid:params:grant-type:ciba"],"backchannel_token_delivery_mode":"poll"}`, metadata, "grant_types"},
		{"redirects in the profile of CIBA", "FAPI-CIBA §5.1", `{"profile":"fapi-ciba","grant_types":["authorization_code","urn:openid:params:grant-type:ciba"],"backchannel_token_delivery_mode":"poll"}`, metadata, "grant_types"},
		{"CIBA, poll", "CIBA Core §4", `{"profile":"fapi-ciba","grant_types":["urn:openid:params:grant-type:ciba"],"response_types":[],"backchannel_token_delivery_mode":"poll"}`, "", ""},
		{"CIBA, ping", "CIBA Core §4", `{"profile":"fapi-ciba","grant_types":["urn:openid:params:grant-type:ciba"],"response_types":[],"backchannel_token_delivery_mode":"ping","backchannel_client_notification_endpoint":"https://dat.example.vn/ping"}`, "", ""},
		{"CIBA without a mode", "CIBA Core §4", `{"profile":"fapi-ciba","grant_types":["urn:openid:params:grant-type:ciba"],"response_types":[]}`, metadata, "backchannel_token_delivery_mode"},
		{"CIBA, push", "CIBA Core §5, FAPI-CIBA §5.2.2", `{"profile":"fapi-ciba","grant_types":["urn:openid:params:grant-type:ciba"],"response_types":[],"backchannel_token_delivery_mode":"push"}`, metadata, "backchannel_token_delivery_mode"},
		{"ping without an endpoint", "CIBA Core §4", `{"profile":"fapi-ciba","grant_types":["urn:openid:params:grant-type:ciba"],"response_types":[],"backchannel_token_delivery_mode":"ping"}`, metadata, "backchannel_client_notification_endpoint"},
		{"ping to plain HTTP", "CIBA Core §4", `{"profile":"fapi-ciba","grant_types":["urn:openid:params:grant-type:ciba"],"response_types":[],"backchannel_token_delivery_mode":"ping","backchannel_client_notification_endpoint":"http://dat.example.vn/ping"}`, metadata, "backchannel_client_notification_endpoint"},
		{"poll with an endpoint", "CIBA Core §4", `{"profile":"fapi-ciba","grant_types":["urn:openid:params:grant-type:ciba"],"response_types":[],"backchannel_token_delivery_mode":"poll","backchannel_client_notification_endpoint":"https://dat.example.vn/ping"}`, metadata, "backchannel_client_notification_endpoint"},
		{"requests signed with what the profile does not take", "CIBA Core §4", `{"profile":"fapi-ciba","grant_types":["urn:openid:params:grant-type:ciba"],"response_types":[],"backchannel_token_delivery_mode":"poll","backchannel_authentication_request_signing_alg":"RS256"}`, metadata, "backchannel_authentication_request_signing_alg"},
		{"user codes", "CIBA Core §4", `{"profile":"fapi-ciba","grant_types":["urn:openid:params:grant-type:ciba"],"response_types":[],"backchannel_token_delivery_mode":"poll","backchannel_user_code_parameter":true}`, metadata, "backchannel_user_code_parameter"},
		{"a mode without the grant", "CIBA Core §4", `{"backchannel_token_delivery_mode":"poll"}`, metadata, "grant_types"},
		{"a device without a sector", "OpenID Connect Core §8.1", `{"redirect_uris":null,"grant_types":["urn:ietf:params:oauth:grant-type:device_code"]}`, metadata, "sector"},
		{"a device with one", "RFC 8628 §3.1", `{"redirect_uris":null,"response_types":[],"sector":"tv.example.vn","grant_types":["urn:ietf:params:oauth:grant-type:device_code"]}`, "", ""},
		{"a device in a profile of signed requests", "RFC 8628 §3.1", `{"profile":"fapi2-message-signing","grant_types":["authorization_code","urn:ietf:params:oauth:grant-type:device_code"]}`, metadata, "grant_types"},
		{"a null is as if left out", "RFC 7592 §2.2", `{"grant_types":null,"client_uri":null}`, "", ""},
		{"an id that no header could carry", "RFC 6749 Appendix A.1", `{"client_id":"sổ"}`, metadata, "client_id"},
		{"an owner longer than a page is wide", "", `{"owner":{"vi":"` + strings.Repeat("Sở ", 50) + `"}}`, metadata, "owner"},
		{"an owner with signs that cannot be seen", "", `{"owner":{"vi":"Sở","en":"Depart\u200bment"}}`, metadata, "owner"},
		{"no name", "RFC 7591 §2", `{"client_name":null}`, "", ""},
		{"no name at a host that could be taken for us", "reserved-name", `{"client_name":null,"redirect_uris":["https://vneid.example.vn/cb"]}`, metadata, "client_name"},
		{"a name in one language only is a name", "RFC 7591 §2.2", `{"client_name":null,"client_name#vi":"Sổ"}`, "", ""},
		{"a list where a text belongs", "RFC 7591 §2", `{"client_uri":["https://x.example"]}`, metadata, "client_uri"},
		{"a text where a list belongs", "RFC 7591 §2", `{"redirect_uris":"https://x.example"}`, metadata, "redirect_uris"},
		{"a profile there is not", "D5", `{"profile":"fapi1"}`, metadata, "profile"},
		{"a method the profile does not allow", "FAPI 2.0 SP §5.3.2.1", `{"token_endpoint_auth_method":"client_secret_basic"}`, metadata, "token_endpoint_auth_method"},
		{"a grant the profile does not offer", "RFC 7591 §2", `{"grant_types":["password"]}`, metadata, "grant_types"},
		{"no keys for private_key_jwt", "RFC 7591 §2", `{"jwks":null}`, metadata, "jwks"},
		{"tls_client_auth with a subject", "RFC 8705 §2.1.2", `{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"CN=a,C=VN","tls_client_certificate_bound_access_tokens":true}`, "", ""},
		{"tls_client_auth with no name", "RFC 8705 §2.1.2", `{"token_endpoint_auth_method":"tls_client_auth"}`, metadata, "tls_client_auth_subject_dn"},
		{"tls_client_auth with two names", "RFC 8705 §2.1.2", `{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"a.example.vn","tls_client_auth_san_ip":"192.0.2.1"}`, metadata, "tls_client_auth_subject_dn"},
		{"a subject that is no distinguished name", "RFC 4514 §3", `{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"app"}`, metadata, "tls_client_auth_subject_dn"},
		{"a certificate's name for another method", "RFC 8705 §2.1.2", `{"tls_client_auth_san_dns":"a.example.vn"}`, metadata, "tls_client_auth_subject_dn"},
		{"self_signed_tls_client_auth", "RFC 8705 §2.2.2", `{"token_endpoint_auth_method":"self_signed_tls_client_auth"}`, "", ""},
		{"self_signed_tls_client_auth without keys", "RFC 8705 §2.2.2", `{"token_endpoint_auth_method":"self_signed_tls_client_auth","jwks":{"keys":[]}}`, metadata, "jwks"},
		{"an x5c of another key", "RFC 7517 §4.7", `{"jwks":{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","x5c":["AAAA"]}]}}`, metadata, "jwks"},
		{"tokens bound twice", "FAPI 2.0 SP §5.3.2.1", `{"tls_client_certificate_bound_access_tokens":true,"dpop_bound_access_tokens":true}`, metadata, "dpop_bound_access_tokens"},
		{"a private key", "RFC 7517 §9.3", `{"jwks":{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"AA"}]}}`, metadata, "jwks"},
		{"an ID token signed with an algorithm of another profile", "FAPI 2.0 SP §5.4.1", `{"id_token_signed_response_alg":"RS256"}`, metadata, "id_token_signed_response_alg"},
		{"unsigned request objects", "RFC 9101 §10.1", `{"request_object_signing_alg":"none"}`, metadata, "request_object_signing_alg"},
		{"unsigned request objects under oidc", "OpenID Connect Core §6.1", `{"profile":"oidc","request_object_signing_alg":"none"}`, "", ""},
		{"unsigned and signed at once", "RFC 9101 §10.5", `{"profile":"oidc","request_object_signing_alg":"none","require_signed_request_object":true}`, metadata, "request_object_signing_alg"},
		{"code", "DCR §2", `{"response_types":["code"]}`, "", ""},
		{"a response type of another profile", "FAPI 2.0 SP §5.3.2.2", `{"response_types":["code id_token"]}`, metadata, "response_types"},
		{"token alone", "RFC 9700 §2.1.2", `{"profile":"oidc","response_types":["token"]}`, metadata, "response_types"},
		{"hybrid and implicit under oidc", "DCR §2", `{"profile":"oidc","response_types":["code","token code","id_token"]}`, "", ""},
		{"implicit without its grant", "DCR §2", `{"profile":"oidc","response_types":["id_token"],"grant_types":["authorization_code"]}`, metadata, "grant_types"},
		{"hybrid without code's grant", "DCR §2", `{"profile":"oidc","response_types":["code id_token"],"grant_types":["implicit"]}`, metadata, "grant_types"},
		{"a token to the browser and tokens bound", "RFC 9449 §5.2", `{"profile":"oidc","response_types":["id_token token"],"dpop_bound_access_tokens":true}`, metadata, "response_types"},
		{"without PKCE", "RFC 9700 §2.1.1", `{"profile":"oidc","code_without_pkce":true}`, "", ""},
		{"without PKCE under FAPI", "FAPI 2.0 SP §5.3.2.2", `{"code_without_pkce":true}`, metadata, "code_without_pkce"},
		{"defaults", "DCR §2", `{"default_max_age":0,"default_acr_values":["urn:vn:gov:eid:auth-level:2"]}`, "", ""},
		{"a default age before now", "DCR §2", `{"default_max_age":-1}`, metadata, "default_max_age"},
		{"a default acr of others", "DCR §2", `{"default_acr_values":["phr"]}`, metadata, "default_acr_values"},
		{"encryption with RSA1_5", "RFC 8725 §3.2", `{"id_token_encrypted_response_alg":"RSA1_5"}`, metadata, "id_token_encrypted_response_alg"},
		{"a content encryption without a key management", "DCR §2", `{"userinfo_encrypted_response_enc":"A256GCM"}`, metadata, "userinfo_encrypted_response_alg"},
		{"a redirect with a fragment", "RFC 6749 §3.1.2, RFC 9700 §4.1.3", `{"redirect_uris":["https://dat.example.vn/cb#x"]}`, redirect, "redirect_uris"},
		{"a redirect without TLS", "RFC 9700 §2.6", `{"redirect_uris":["http://dat.example.vn/cb"]}`, redirect, "redirect_uris"},
		{"a redirect with a scheme of its own", "RFC 8252 §7.1", `{"redirect_uris":["vn.dat:/cb"]}`, redirect, "redirect_uris"},
		{"a secretless app in a browser", "RFC 9700 §2.1.2", `{"profile":"oidc","token_endpoint_auth_method":"none"}`, metadata, "token_endpoint_auth_method"},
		{"a secretless app in a browser, under FAPI", "FAPI 2.0 SP §5.3.2.1", `{"token_endpoint_auth_method":"none"}`, metadata, "token_endpoint_auth_method"},
		{"a native app in a profile for others", "RFC 8252 §8.4", `{"token_endpoint_auth_method":"none","application_type":"native"}`, metadata, "token_endpoint_auth_method"},
		{"a native app that claims an address", "RFC 8252 §7.2", `{"profile":"native","jwks":null}`, "", ""},
		{"a native app on loopback", "RFC 8252 §7.3", `{"profile":"native","jwks":null,"redirect_uris":["http://127.0.0.1/cb","http://[::1]/cb"],"post_logout_redirect_uris":["http://127.0.0.1/bye"]}`, "", ""},
		{"a native app on the name localhost", "RFC 8252 §8.3", `{"profile":"native","jwks":null,"redirect_uris":["http://localhost/cb"]}`, redirect, "redirect_uris"},
		{"a native app without TLS elsewhere", "RFC 8252 §7.3", `{"profile":"native","jwks":null,"redirect_uris":["http://dat.example.vn/cb"]}`, redirect, "redirect_uris"},
		{"a native app with a scheme of its own", "RFC 8252 §7.1", `{"profile":"native","jwks":null,"redirect_uris":["vn.example.dat:/cb"]}`, redirect, "redirect_uris"},
		{"a native app that signs people out to a scheme of its own", "RFC 8252 §7.1", `{"profile":"native","jwks":null,"post_logout_redirect_uris":["vn.example.dat:/bye"]}`, metadata, "post_logout_redirect_uris"},
		{"a web app of profile native", "RFC 8252 §1", `{"profile":"native","jwks":null,"application_type":"web"}`, metadata, "application_type"},
		{"a native app with a secret", "RFC 8252 §8.5", `{"profile":"native","jwks":null,"token_endpoint_auth_method":"client_secret_basic"}`, metadata, "token_endpoint_auth_method"},
		{"a native app with a certificate", "D5", `{"profile":"native","jwks":null,"tls_client_certificate_bound_access_tokens":true}`, metadata, "tls_client_certificate_bound_access_tokens"},
		{"a native app without PKCE", "RFC 8252 §8.1", `{"profile":"native","jwks":null,"code_without_pkce":true}`, metadata, "code_without_pkce"},
		{"a native app by itself", "D5", `{"profile":"native","jwks":null,"grant_types":["client_credentials"]}`, metadata, "grant_types"},
		{"a redirect with a user", "RFC 3986 §7.5", `{"redirect_uris":["https://a@dat.example.vn/cb"]}`, redirect, "redirect_uris"},
		{"a logout URI without TLS", "Back-Channel Logout §2.2", `{"backchannel_logout_uri":"http://dat.example.vn/out"}`, metadata, "backchannel_logout_uri"},
		{"front-channel logout", "Front-Channel Logout §2", `{"profile":"oidc","frontchannel_logout_uri":"https://dat.example.vn/out?a=b","frontchannel_logout_session_required":true}`, "", ""},
		{"front-channel logout at another host", "Front-Channel Logout §2", `{"profile":"oidc","frontchannel_logout_uri":"https://evil.example.vn/out"}`, metadata, "frontchannel_logout_uri"},
		{"front-channel logout at another port", "Front-Channel Logout §2", `{"profile":"oidc","frontchannel_logout_uri":"https://dat.example.vn:8443/out"}`, metadata, "frontchannel_logout_uri"},
		{"front-channel logout without TLS", "Front-Channel Logout §2", `{"profile":"oidc","frontchannel_logout_uri":"http://dat.example.vn/out"}`, metadata, "frontchannel_logout_uri"},
		{"a frame's script", "Front-Channel Logout §2", `{"profile":"oidc","frontchannel_logout_uri":"javascript:alert(1)"}`, metadata, "frontchannel_logout_uri"},
		{"front-channel logout that names no URI", "Front-Channel Logout §2", `{"profile":"oidc","frontchannel_logout_session_required":true}`, metadata, "frontchannel_logout_session_required"},
		{"front-channel logout under FAPI", "D5", `{"frontchannel_logout_uri":"https://dat.example.vn/out"}`, metadata, "frontchannel_logout_uri"},
		{"session management", "Session Management §2", `{"profile":"oidc","session_management":true}`, "", ""},
		{"session management under FAPI", "D5", `{"session_management":true}`, metadata, "session_management"},
		{"two hosts and no sector", "OpenID Connect Core §8.1", `{"redirect_uris":["https://a.example.vn/","https://b.example.vn/"]}`, metadata, "sector_identifier_uri"},
		{"a purpose the law forbids", "D8", `{"declarations":[{"purpose":"marketing"}]}`, metadata, "declarations"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, err := Parse(with(t, app, row.changes))
			if err == nil {
				_, err = m.Client(rules)
			}
			var got authz.Error
			if told := (*authz.Error)(nil); errors.As(err, &told) {
				got = *told
			}
			if got.Code != row.code || got.Parameter != row.member {
				t.Fatalf("%s: got %v, want %q at %q", row.clause, err, row.code, row.member)
			}
		})
	}
}

// TestSectorOfNative: OpenID Connect Core §8.1. A claimed address proves its host; a device
// proves none, or every app on loopback would know a person by one name, and one that
// lists another's host beside it by the other's.
func TestSectorOfNative(t *testing.T) {
	for _, row := range []struct{ name, changes, want string }{
		{"a claimed address", `{}`, "dat.example.vn"},
		{"loopback", `{"redirect_uris":["http://127.0.0.1/cb"]}`, "so-dat"},
		{"both", `{"redirect_uris":["https://dat.example.vn/cb","http://[::1]/cb"]}`, "so-dat"},
		{"given by an operator", `{"redirect_uris":["http://127.0.0.1/cb"],"sector":"dat.example.vn"}`, "dat.example.vn"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, err := Parse(with(t, string(with(t, app, `{"profile":"native","jwks":null}`)), row.changes))
			if err != nil {
				t.Fatal(err)
			}
			c, err := m.Client(rules)
			if err != nil || c.Sector != row.want || c.ApplicationType != "native" || c.Method != authz.PublicClient {
				t.Errorf("got %+v, %v, want sector %q", c, err, row.want)
			}
		})
	}
}

// TestNameless: RFC 7591 §2, the name is optional; people then read where they are sent.
func TestNameless(t *testing.T) {
	for _, row := range []struct{ name, changes, want string }{
		{"a host", `{"client_name":null}`, "dat.example.vn"},
		{"a host with a port", `{"client_name":null,"redirect_uris":["https://dat.example.vn:8443/cb"]}`, "dat.example.vn"},
		{"a name in another language", `{"client_name":null,"client_name#en":"Land"}`, "Land"},
		{"a sector", `{"client_name":null,"redirect_uris":null,"sector":"tv.example.vn","grant_types":["urn:ietf:params:oauth:grant-type:device_code"]}`, "tv.example.vn"},
		{"nothing", `{"client_name":null,"redirect_uris":null,"grant_types":["client_credentials"]}`, "so-dat"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, err := Parse(with(t, app, row.changes))
			if err != nil {
				t.Fatal(err)
			}
			if c, err := m.Client(rules); err != nil || c.Name.VI != row.want {
				t.Errorf("got %+v, %v, want %q", c, err, row.want)
			}
		})
	}
}

// TestAlgorithmOfIDTokens: OpenID Connect Dynamic Registration §2 for the profile of that
// standard, never RS256 for FAPI 2.0 (§5.4.1), and none that the provider has no key for.
func TestAlgorithmOfIDTokens(t *testing.T) {
	const nowhere = "id_token_signed_response_alg"
	for _, row := range []struct {
		name, changes string
		signs         []string
		want          string // the algorithm, or the member that is refused
	}{
		{"oidc, unsaid", `{"profile":"oidc","token_endpoint_auth_method":"private_key_jwt"}`, nil, "RS256"},
		{"oidc, said", `{"profile":"oidc","id_token_signed_response_alg":"ES256"}`, nil, "ES256"},
		{"oidc, unsaid, at a provider without RSA keys", `{"profile":"oidc"}`, []string{"ES256"}, "ES256"},
		{"fapi2, unsaid", `{}`, nil, "ES256"},
		{"fapi2-message-signing, unsaid", `{"profile":"fapi2-message-signing"}`, nil, "ES256"},
		{"an ID token of a key that is not there", `{"profile":"oidc","id_token_signed_response_alg":"RS256"}`, []string{"ES256", "EdDSA"}, nowhere},
		{"UserInfo of a key that is not there", `{"userinfo_signed_response_alg":"PS256"}`, []string{"ES256", "RS256"}, "userinfo_signed_response_alg"},
		{"JARM §3: a key that is not there", `{"authorization_signed_response_alg":"EdDSA"}`, []string{"ES256", "RS256"}, "authorization_signed_response_alg"},
		{"what the app signs with needs no key of ours", `{"token_endpoint_auth_signing_alg":"PS256"}`, []string{"ES256"}, "ES256"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, err := Parse(with(t, app, row.changes))
			if err != nil {
				t.Fatal(err)
			}
			c, err := m.Client(Rules{Catalogue: lawful{}, Signs: row.signs})
			got := ""
			if told := (*authz.Error)(nil); errors.As(err, &told) {
				got = told.Parameter
			} else if c != nil {
				got = Of(c).IDTokenAlg
			}
			if got != row.want {
				t.Errorf("got %q (%v), want %q", got, err, row.want)
			}
		})
	}
	if got := Of(&authz.Client{Profile: authz.OIDC}).IDTokenAlg; got != "ES256" {
		t.Errorf("what was registered before and said nothing is shown as %q, want what it gets, ES256", got)
	}
}

// TestParseRefuses: what two parsers might read differently is refused.
func TestParseRefuses(t *testing.T) {
	for name, raw := range map[string]string{
		"not JSON": `{`, "a list": `[]`, "null": `null`, "text": `"x"`, "a name twice": `{"client_name":"a","client_name":"b"}`,
		"names that differ in case only": `{"client_name":"a","Client_Name":"b"}`, "data after it": `{} {}`,
		"deep": strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), "long": `{"a":"` + strings.Repeat("x", maxMetadata) + `"}`,
	} {
		if _, err := Parse([]byte(raw)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if m, err := Parse([]byte(`{"Client_Name":"a"}`)); err != nil || m.Name != "" {
		t.Errorf("a name in another case was read: %+v, %v", m, err)
	}
}

// TestYAML: what is written is read again as the same, and a slip is refused.
func TestYAML(t *testing.T) {
	m, err := Parse(with(t, app, `{"owner":{"vi":"Sở","en":"Department"},"scope":"openid offline_access","client_name#en":"Land",
		"declarations":[{"purpose":"land.mortgage","registry":"land","attributes":["land.area"],"legal_basis":"LB-CONSENT","explanation":{"vi":"a: b","en":"# c"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Client(rules)
	if err != nil {
		t.Fatal(err)
	}
	text, err := WriteYAML([]Metadata{Of(c), Of(c)})
	if err != nil {
		t.Fatal(err)
	}
	list, err := ParseYAML(text)
	if err != nil || len(list) != 2 {
		t.Fatalf("%v\n%s", err, text)
	}
	again, err := list[1].Client(rules)
	if err != nil {
		t.Fatal(err)
	}
	if again.JWKS, err = compact(again.JWKS); err != nil {
		t.Fatal(err)
	}
	if c.JWKS, err = compact(c.JWKS); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, again) {
		t.Fatalf("got\n%+v\nwant\n%+v\nfrom\n%s", again, c, text)
	}
	if _, err := ParseYAML([]byte("- client_id: a\n  redirect_uri: [x]\n  colour: red\n")); err == nil ||
		!strings.Contains(err.Error(), "no member colour, redirect_uri (members:") {
		t.Errorf("a slip: got %v", err)
	}
}

func compact(raw []byte) ([]byte, error) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}
