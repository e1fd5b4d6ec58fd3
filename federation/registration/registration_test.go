package registration_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	apps "hopnhat/authz/registration"
	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/mark"
	"hopnhat/federation/registration"
	"hopnhat/federation/trust"
	"hopnhat/keys/jose"
)

type claims = federationtest.Claims

// lawful is a catalogue that allows every declaration.
type lawful struct{}

func (lawful) CheckDeclaration(authz.Declaration) error { return nil }

const (
	publicService = "https://neo.example.vn/marks/dich-vu-cong"
	audited       = "https://neo.example.vn/marks/da-kiem-toan"
)

// tree is an anchor, a province below it, and an app of the province with its own key.
type tree struct {
	anchor, province, app, key *federationtest.Entity
	anchors                    []trust.Anchor
}

func newTree(t testing.TB) tree {
	t.Helper()
	tr := tree{
		anchor: federationtest.New(t, "https://neo.example.vn"), province: federationtest.New(t, "https://tinh.example.vn"),
		app: federationtest.New(t, "https://app.tinh.example.vn"), key: federationtest.New(t, "https://khong.example.vn"),
	}
	tr.anchors = []trust.Anchor{{ID: tr.anchor.ID, Keys: tr.anchor.Set(t)}}
	return tr
}

func (tr tree) rules() registration.Rules {
	return registration.Rules{
		Anchors: tr.anchors,
		Let:     apps.Policy{Profile: authz.FAPI2},
		Marks: []registration.MarkRule{{
			Type: publicService, Scopes: []string{"profile"},
			Declarations: []authz.Declaration{{
				Purpose: "dvc.prefill", Basis: authz.BasisConsent, Registry: "population",
				Attributes: []authz.AttributeID{"population.full_name", "population.gender", "population.birth_date"},
			}},
		}},
		Checks: apps.Rules{Catalogue: lawful{}},
	}
}

// metadata are those of a good app, with changes; a nil one is left out.
func (tr tree) metadata(t testing.TB, changes claims) claims {
	t.Helper()
	all := claims{
		"client_registration_types": []string{"automatic"}, "client_name": "Cổng dịch vụ", "jwks": tr.key.JWKS(t),
		"redirect_uris": []string{"https://app.tinh.example.vn/cb"}, "backchannel_logout_uri": "https://app.tinh.example.vn/logout",
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// parts are what a test changes in a chain.
type parts struct {
	app      claims // of the metadata of the app
	types    claims // entity types beside the app's
	config   claims // of its configuration
	about    claims // of what the province says about it
	province claims // of what the anchor says about the province
	anchor   claims // of the anchor's configuration; nil leaves it out
}

func (tr tree) verdict(t testing.TB, p parts) trust.Verdict {
	t.Helper()
	kinds := claims{"openid_relying_party": tr.metadata(t, p.app)}
	maps.Copy(kinds, p.types)
	maps.DeleteFunc(kinds, func(_ string, v any) bool { return v == nil })
	config := claims{"authority_hints": []federation.EntityID{tr.province.ID}, "metadata": kinds}
	maps.Copy(config, p.config)
	chain := []string{
		tr.app.Configuration(t, config), tr.province.About(t, tr.app, p.about), tr.anchor.About(t, tr.province, p.province),
	}
	if p.anchor != nil {
		chain = append(chain, tr.anchor.Configuration(t, p.anchor))
	}
	return trust.Verify(chain, tr.anchors, federationtest.Now)
}

// marks are trust_marks with one of the anchor.
func (tr tree) marks(t testing.TB, kind string, changes claims) claims {
	all := claims{
		"iss": tr.anchor.ID, "sub": tr.app.ID, "trust_mark_type": kind,
		"iat": federationtest.Now.Unix(), "exp": federationtest.Now.Add(time.Hour).Unix(),
	}
	maps.Copy(all, changes)
	return claims{"trust_marks": []claims{{"trust_mark_type": kind, "trust_mark": tr.anchor.Sign(t, claims{"typ": mark.Type}, all)}}}
}

// TestDecide: what a chain makes of an app.
func TestDecide(t *testing.T) {
	tr := newTree(t)
	got, err := registration.Decide(tr.verdict(t, parts{
		about: claims{"metadata": claims{"openid_relying_party": claims{
			"organization_name": "Sở Nội vụ", "organization_name#en": "Department of Home Affairs",
		}}},
	}), registration.Automatic, nil, tr.rules(), federationtest.Now)
	if err != nil {
		t.Fatal(err)
	}
	c := got.Client
	if c.ID != "https://app.tinh.example.vn" || c.Profile != authz.FAPI2 || c.Method != authz.PrivateKeyJWT ||
		c.Sector != "app.tinh.example.vn" ||
		c.BackchannelLogoutURI == "" || c.Owner != (authz.LocalizedText{VI: "Sở Nội vụ", EN: "Department of Home Affairs"}) {
		t.Errorf("got %+v", c)
	}
	if m := c.Membership; !m.Expires.Equal(federationtest.Now.Add(24*time.Hour)) || m.Anchor != "https://neo.example.vn" ||
		m.Superior != "https://tinh.example.vn" {
		t.Errorf("got %+v", c.Membership)
	}
	if c.Verified.By != "federation:https://tinh.example.vn" || !slices.Equal(c.Scopes, []string{"openid", "offline_access"}) || len(c.Declarations) != 0 {
		t.Errorf("got %+v, scopes %v, declarations %v", c.Verified, c.Scopes, c.Declarations)
	}
}

// TestRefusals: each by the section that the app breaks; none may travel to a redirect URI.
func TestRefusals(t *testing.T) {
	tr := newTree(t)
	stranger := federationtest.New(t, "https://la.example.vn")
	supplied := func(name string) claims {
		return claims{"metadata": claims{"openid_relying_party": claims{"organization_name": name}}}
	}
	for _, row := range []struct {
		name, section string
		parts         parts
		rules         func(*registration.Rules)
		code          authz.Code
		says          string
	}{
		{"a chain of another anchor", "10.2", parts{}, func(r *registration.Rules) { r.Anchors = nil }, authz.InvalidTrustAnchor, "trust anchor that is configured"},
		{"an expired configuration", "10.2", parts{config: claims{"exp": federationtest.Now.Unix() - 1, "iat": federationtest.Now.Unix() - 9}}, nil, authz.InvalidTrustChain, "expired"},
		{"metadata against a policy", "6.1.3.1.4", parts{about: claims{"metadata_policy": claims{"openid_relying_party": claims{"client_name": claims{"one_of": []string{"Khác"}}}}}}, nil, authz.InvalidMetadata, "comply"},
		{"no metadata of a relying party", "5.1.2", parts{types: claims{"openid_relying_party": nil, "oauth_client": claims{}}}, nil, authz.InvalidMetadata, "openid_relying_party"},
		{"an entity type that is not allowed", "5.1.2", parts{about: claims{"constraints": claims{"allowed_entity_types": []string{"oauth_client"}}}}, nil, authz.InvalidMetadata, "openid_relying_party"},
		{"OpenID Federation 1.0 §5.1.2: no client_registration_types", "5.1.2", parts{app: claims{"client_registration_types": nil}}, nil, authz.InvalidMetadata, "client_registration_types"},
		{"client_registration_types is a text", "5.1.2", parts{app: claims{"client_registration_types": "automatic"}}, nil, authz.InvalidMetadata, "no list"},
		{"client_registration_types with a number", "5.1.2", parts{app: claims{"client_registration_types": []any{1}}}, nil, authz.InvalidMetadata, "no list"},
		{"explicit registration alone", "12", parts{app: claims{"client_registration_types": []string{"explicit"}}}, nil, authz.InvalidMetadata, "automatic"},
		{"a client_id of its own", "12.1", parts{app: claims{"client_id": "app"}}, nil, authz.InvalidMetadata, "entity identifier"},
		{"signed_jwks_uri without https", "5.2.1", parts{app: claims{"jwks": nil, "signed_jwks_uri": "http://app.tinh.example.vn/keys"}}, nil, authz.InvalidMetadata, "signed_jwks_uri"},
		{"signed_jwks_uri is no text", "5.2.1", parts{app: claims{"signed_jwks_uri": 1}}, nil, authz.InvalidMetadata, "signed_jwks_uri"},
		{"no keys", "12.1", parts{app: claims{"jwks": nil}}, nil, authz.InvalidMetadata, "public keys"},
		{"a secret", "12.1.1.2", parts{app: claims{"token_endpoint_auth_method": "client_secret_basic"}}, nil, authz.InvalidMetadata, "token_endpoint_auth_method"},
		{"a certificate of a CA", "12.1.1.2", parts{app: claims{"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=app"}}, nil, authz.InvalidMetadata, "token_endpoint_auth_method"},
		{"no authentication", "12.1.1.2", parts{app: claims{"token_endpoint_auth_method": "none"}}, nil, authz.InvalidMetadata, "token_endpoint_auth_method"},
		{"no redirect URI", "12.1", parts{app: claims{"redirect_uris": nil}}, nil, authz.InvalidMetadata, "redirect_uris"},
		{"a redirect URI without https", "12.1", parts{app: claims{"redirect_uris": []string{"http://app.tinh.example.vn/cb"}}}, nil, authz.InvalidMetadata, "https"},
		{"a member of a wrong type", "12.1", parts{app: claims{"redirect_uris": "https://app.tinh.example.vn/cb"}}, nil, authz.InvalidMetadata, "redirect_uris"},
		{"another profile", "12.1", parts{app: claims{"profile": "oidc"}}, nil, authz.InvalidMetadata, "profile"},
		{"a sector of its choice", "12.1", parts{app: claims{"sector": "khac.example.vn"}}, nil, authz.InvalidMetadata, "sector"},
		{"introspection", "12.1", parts{app: claims{"introspect": []string{"x"}}}, nil, authz.InvalidMetadata, "introspect"},
		{"an API of an agency", "12.1", parts{app: claims{"resources": []string{"https://api.example.vn"}}}, nil, authz.InvalidMetadata, "token_exchange"},
		{"the same pseudonym for all", "12.1", parts{app: claims{"subject_type": "public"}}, nil, authz.InvalidMetadata, "pairwise"},
		{"a scope that is not let", "12.1", parts{app: claims{"scope": "openid phone"}}, nil, authz.InvalidMetadata, "scope"},
		{"a grant that is not let", "12.1", parts{app: claims{"grant_types": []string{"client_credentials"}}}, nil, authz.InvalidMetadata, "client_credentials"},
		{"a purpose that is not let", "12.1", parts{app: claims{"declarations": []claims{{"purpose": "khac", "legal_basis": authz.BasisConsent, "registry": "population", "attributes": []string{"population.full_name"}}}}}, nil, authz.InvalidMetadata, "declarations"},
		{"a level below the least", "12.1", parts{app: claims{"minimum_level": 1}}, func(r *registration.Rules) { r.Let.MinimumLevel = 2 }, authz.InvalidMetadata, "minimum_level"},
		{"the name of the provider", "12.1", parts{app: claims{"client_name": "VNeID"}}, nil, authz.InvalidMetadata, "reserved-name"},
		{"the name of another's app", "12.1", parts{}, func(r *registration.Rules) {
			r.Checks.Known = []apps.Known{{ID: "khac", Name: authz.LocalizedText{VI: "Cổng dịch vụ"}, Owner: authz.LocalizedText{VI: "Bộ Mẫu"}}}
		}, authz.InvalidMetadata, "look-alike-name"},
		{"an agency's name with letters that look alike", "12.1", parts{about: supplied("Sở Nội vụ Теst")}, nil, authz.InvalidMetadata, "owner"},
		{"a required mark is missing", "7", parts{}, requires(audited), authz.InvalidMetadata, "it has none"},
		{"a required mark that has expired", "7", parts{config: tr.marks(t, audited, claims{"iat": federationtest.Now.Unix() - 9, "exp": federationtest.Now.Unix() - 1}), anchor: claims{"trust_mark_issuers": claims{audited: []string{}}}}, requires(audited), authz.InvalidMetadata, "expired"},
		{"a required mark without an end", "7", parts{config: tr.marks(t, audited, claims{"exp": nil}), anchor: claims{"trust_mark_issuers": claims{audited: []string{}}}}, requires(audited), authz.InvalidMetadata, "no end"},
		{"a list of the sector at a URL", "12.1", parts{app: claims{"sector_identifier_uri": "https://app.tinh.example.vn/list"}}, nil, authz.InvalidMetadata, "sector_identifier_uri"},
		{"a required mark of another", "7", parts{config: tr.marks(t, audited, claims{"sub": stranger.ID}), anchor: claims{"trust_mark_issuers": claims{audited: []string{}}}}, requires(audited), authz.InvalidMetadata, "about"},
		{"a required mark of an issuer that nobody knows", "7", parts{config: tr.marks(t, audited, claims{"iss": stranger.ID}), anchor: claims{"trust_mark_issuers": claims{audited: []string{}}}}, requires(audited), authz.InvalidMetadata, "issuer is trusted"},
		{"a required mark of the anchor, whose configuration is not there", "7", parts{config: tr.marks(t, audited, nil)}, requires(audited), authz.InvalidMetadata, "issuer is trusted"},
		{"a required mark of a type that the anchor does not list", "7", parts{config: tr.marks(t, audited, nil), anchor: claims{}}, requires(audited), authz.InvalidMetadata, "trust_mark_issuers"},
	} {
		t.Run(row.name, func(t *testing.T) {
			rules := tr.rules()
			if row.rules != nil {
				row.rules(&rules)
			}
			v := tr.verdict(t, row.parts)
			if rules.Anchors == nil {
				v = trust.VerifyStatements(v.Chain, nil, federationtest.Now)
			}
			_, err := registration.Decide(v, registration.Automatic, nil, rules, federationtest.Now)
			if row.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			said := (*authz.Error)(nil)
			if !errors.As(err, &said) || said.Code != row.code || said.Clause != "OpenID Federation 1.0 §"+row.section ||
				!strings.Contains(said.Error(), row.says) {
				t.Fatalf("got %v under %q, want %s under §%s that says %q", err, clause(said), row.code, row.section, row.says)
			}
			if said.Redirectable || said.Parameter != "client_id" || !errors.Is(err, clientauth.ErrUnknownClient) {
				t.Errorf("redirectable: %v; unknown client: %v", said.Redirectable, errors.Is(err, clientauth.ErrUnknownClient))
			}
		})
	}
}

func clause(e *authz.Error) string {
	if e == nil {
		return ""
	}
	return e.Clause
}

func requires(kind string) func(*registration.Rules) {
	return func(r *registration.Rules) {
		r.Marks = append(r.Marks, registration.MarkRule{Type: kind, Required: true})
	}
}

// TestExpired: a verdict is not good for longer than its chain (§10.4).
func TestExpired(t *testing.T) {
	tr := newTree(t)
	v := tr.verdict(t, parts{})
	if _, err := registration.Decide(v, registration.Automatic, nil, tr.rules(), v.Expiry.Add(-time.Nanosecond)); err != nil {
		t.Error(err)
	}
	_, err := registration.Decide(v, registration.Automatic, nil, tr.rules(), v.Expiry)
	if said := (*authz.Error)(nil); !errors.As(err, &said) || said.Code != authz.InvalidTrustChain {
		t.Errorf("got %v", err)
	}
}

// TestMarksLet: what a mark lets, an app has that holds it, and no other.
func TestMarksLet(t *testing.T) {
	tr := newTree(t)
	asking := claims{"scope": "openid profile", "declarations": []claims{{
		"purpose": "dvc.prefill", "legal_basis": authz.BasisConsent, "registry": "population",
		"attributes": []string{"population.full_name", "population.gender", "population.birth_date"},
	}}}
	listed := claims{"trust_mark_issuers": claims{publicService: []federation.EntityID{tr.anchor.ID}}}
	for _, row := range []struct {
		name  string
		parts parts
		let   bool
	}{
		{"with the mark", parts{app: asking, config: tr.marks(t, publicService, nil), anchor: listed}, true},
		{"without it", parts{app: asking, anchor: listed}, false},
		{"with another", parts{app: asking, config: tr.marks(t, audited, nil), anchor: claims{"trust_mark_issuers": claims{audited: []string{}}}}, false},
		{"with one that does not count", parts{app: asking, config: tr.marks(t, publicService, claims{"iat": federationtest.Now.Unix() + 3600}), anchor: listed}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := registration.Decide(tr.verdict(t, row.parts), registration.Automatic, nil, tr.rules(), federationtest.Now)
			if (err == nil) != row.let {
				t.Fatalf("got %v", err)
			}
			if row.let && (!slices.Equal(got.Marks, []string{publicService}) || !slices.Contains(got.Client.Scopes, "profile") || len(got.Client.Declarations) != 1) {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("an issuer that was resolved", func(t *testing.T) {
		office := federationtest.New(t, "https://cap-dau.example.vn")
		v := trust.Verify([]string{
			office.Configuration(t, claims{"authority_hints": []federation.EntityID{tr.anchor.ID}}), tr.anchor.About(t, office, nil),
			tr.anchor.Configuration(t, claims{"trust_mark_issuers": claims{publicService: []federation.EntityID{office.ID}}}),
		}, tr.anchors, federationtest.Now)
		issuers := func(id federation.EntityID) (trust.Verdict, bool) { return v, id == office.ID }
		held := claims{"trust_marks": []claims{{"trust_mark_type": publicService, "trust_mark": office.Sign(t, claims{"typ": mark.Type}, claims{
			"iss": office.ID, "sub": tr.app.ID, "trust_mark_type": publicService, "iat": federationtest.Now.Unix(),
			"exp": federationtest.Now.Add(time.Hour).Unix(),
		})}}}
		got, err := registration.Decide(tr.verdict(t, parts{config: held}), registration.Automatic, issuers, tr.rules(), federationtest.Now)
		if err != nil || !slices.Equal(got.Marks, []string{publicService}) {
			t.Errorf("got %+v, %v", got.Marks, err)
		}
	})
}

// TestOwner: an agency's name counts as verified if a superior says it, and never if the app
// alone does.
func TestOwner(t *testing.T) {
	tr := newTree(t)
	about := func(kind federation.EntityType, name string) claims {
		return claims{"metadata": claims{string(kind): claims{"organization_name": name}}}
	}
	for _, row := range []struct {
		name      string
		parts     parts
		owner, by string
	}{
		{"nobody says any", parts{}, "app.tinh.example.vn", ""},
		{"the app alone says it", parts{app: claims{"organization_name": "Bộ Công an"}}, "app.tinh.example.vn", ""},
		{"the app adds a language to what its superior says", parts{app: claims{"organization_name#vi": "Bộ Công an", "organization_name#en": "Ministry of Public Security"}, about: about(federation.RelyingParty, "Sở Nội vụ")}, "Sở Nội vụ", "federation:https://tinh.example.vn"},
		{"a policy sets nothing", parts{app: claims{"organization_name#vi": "Bộ Công an"}, about: claims{"metadata_policy": claims{"openid_relying_party": claims{"organization_name": claims{"value": nil}}}}}, "app.tinh.example.vn", ""},
		{"its superior says it", parts{app: claims{"organization_name": "Bộ Công an"}, about: about(federation.RelyingParty, "Sở Nội vụ")}, "Sở Nội vụ", "federation:https://tinh.example.vn"},
		{"its superior says it of the entity", parts{about: about(federation.FederationEntity, "Sở Nội vụ")}, "Sở Nội vụ", "federation:https://tinh.example.vn"},
		{"a policy of the anchor sets it", parts{app: claims{"organization_name": "Bộ Công an"}, province: claims{"metadata_policy": claims{"openid_relying_party": claims{"organization_name": claims{"value": "Tỉnh Mẫu"}}}}}, "Tỉnh Mẫu", "federation:https://neo.example.vn"},
		{"a policy has a default that the app does not take", parts{app: claims{"organization_name": "Bộ Công an"}, about: claims{"metadata_policy": claims{"openid_relying_party": claims{"organization_name": claims{"default": "Tỉnh Mẫu"}}}}}, "app.tinh.example.vn", ""},
		{"the anchor names the superior", parts{app: claims{"organization_name": "Bộ Công an"}, province: about(federation.FederationEntity, "Tỉnh Mẫu")}, "Tỉnh Mẫu", "federation:https://neo.example.vn"},
		{"the superior's word goes first", parts{about: about(federation.FederationEntity, "Sở Nội vụ"), province: about(federation.FederationEntity, "Tỉnh Mẫu")}, "Sở Nội vụ", "federation:https://tinh.example.vn"},
		{"what the anchor says of itself names no app's agency", parts{anchor: about(federation.FederationEntity, "Neo")}, "app.tinh.example.vn", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := registration.Decide(tr.verdict(t, row.parts), registration.Automatic, nil, tr.rules(), federationtest.Now)
			if err != nil {
				t.Fatal(err)
			}
			if got.Client.Owner.VI != row.owner || got.Client.Verified.By != row.by || got.Client.Verified.Holds() != (row.by != "") {
				t.Errorf("got %q by %q", got.Client.Owner.VI, got.Client.Verified.By)
			}
		})
	}
}

// TestLimitedLife: a registration ends with the first of its chain, the marks that it was let in
// by, and a week; an anchor that only others count lets nobody in.
func TestLimitedLife(t *testing.T) {
	tr := newTree(t)
	far := claims{"exp": federationtest.Now.AddDate(10, 0, 0).Unix()}
	with := func(more claims) claims { all := claims{}; maps.Copy(all, far); maps.Copy(all, more); return all }
	listed := with(claims{"trust_mark_issuers": claims{publicService: []federation.EntityID{tr.anchor.ID}}})
	for _, row := range []struct {
		name  string
		parts parts
		life  time.Duration
	}{
		{"a chain of ten years", parts{config: far, about: far, province: far}, 7 * 24 * time.Hour},
		{"a mark of an hour", parts{config: with(tr.marks(t, publicService, nil)), about: far, province: far, anchor: listed}, time.Hour},
		{"a chain of a day", parts{}, 24 * time.Hour},
	} {
		got, err := registration.Decide(tr.verdict(t, row.parts), registration.Automatic, nil, tr.rules(), federationtest.Now)
		if err != nil || !got.Client.Membership.Expires.Equal(federationtest.Now.Add(row.life)) {
			t.Errorf("%s: got %+v, %v", row.name, got.Client, err)
		}
	}
	rules := tr.rules()
	rules.Anchors = []trust.Anchor{{ID: "https://neo-hai.example.vn", Keys: tr.anchor.Set(t)}}
	_, err := registration.Decide(tr.verdict(t, parts{}), registration.Automatic, nil, rules, federationtest.Now)
	if said := (*authz.Error)(nil); !errors.As(err, &said) || said.Code != authz.InvalidTrustAnchor {
		t.Errorf("§4: got %v", err)
	}
}

// TestNamesOfSuperiors: a name that a superior says is not shadowed by the app's own word in one
// language.
func TestNamesOfSuperiors(t *testing.T) {
	tr := newTree(t)
	got, err := registration.Decide(tr.verdict(t, parts{
		app:   claims{"client_name#vi": "Cổng Bộ Công an"},
		about: claims{"metadata_policy": claims{"openid_relying_party": claims{"client_name": claims{"value": "Cổng Sở Nội vụ"}}}},
	}), registration.Automatic, nil, tr.rules(), federationtest.Now)
	if err != nil || got.Client.Name.VI != "Cổng Sở Nội vụ" {
		t.Errorf("got %+v, %v", got.Client, err)
	}
}

// TestMethods: the method is the one the app states, or the first that both have (§12.1.4).
func TestMethods(t *testing.T) {
	tr := newTree(t)
	for _, row := range []struct {
		name    string
		changes claims
		want    authz.AuthMethod
	}{
		{"nothing said", nil, authz.PrivateKeyJWT},
		{"one said", claims{"token_endpoint_auth_method": "self_signed_tls_client_auth"}, authz.SelfSignedTLSClientAuth},
		{"the first of those supported", claims{"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "self_signed_tls_client_auth", "private_key_jwt"}}, authz.SelfSignedTLSClientAuth},
		{"none of them here", claims{"token_endpoint_auth_methods_supported": []string{"client_secret_jwt"}}, authz.PrivateKeyJWT},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := tr.verdict(t, parts{app: row.changes})
			got, err := registration.Decide(v, registration.Automatic, nil, tr.rules(), federationtest.Now)
			if err != nil || got.Client.Method != row.want {
				t.Errorf("got %+v, %v", got.Client, err)
			}
		})
	}
}

// TestNeverWider: whatever an app states, it gets no grant, scope or declaration that the
// rules do not let, no other profile, and a life no longer than its chain's.
func TestNeverWider(t *testing.T) {
	tr := newTree(t)
	rapid.Check(t, func(rt *rapid.T) {
		changes := claims{}
		if scopes := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"openid", "profile", "phone", "offline_access", "email"}), rapid.ID[string]).Draw(rt, "scopes"); len(scopes) > 0 {
			changes["scope"] = strings.Join(scopes, " ")
		}
		if grants := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"authorization_code", "refresh_token", "client_credentials", "implicit", authz.GrantDevice}), rapid.ID[string]).Draw(rt, "grants"); len(grants) > 0 {
			changes["grant_types"] = grants
		}
		for name, value := range map[string]any{"profile": "oidc", "owner": claims{"vi": "Bộ Công an"}, "minimum_level": 1, "may_act": "x", "code_without_pkce": true, "session_management": true} {
			if rapid.Bool().Draw(rt, name) {
				changes[name] = value
			}
		}
		life := rapid.Int64Range(1, 100_000).Draw(rt, "life")
		v := tr.verdict(t, parts{app: changes, config: claims{"exp": federationtest.Now.Unix() + life}})
		got, err := registration.Decide(v, registration.Automatic, nil, tr.rules(), federationtest.Now)
		if err != nil {
			return
		}
		c := got.Client
		for _, s := range c.Scopes {
			if s != "openid" && s != "offline_access" {
				rt.Fatalf("scope %q", s)
			}
		}
		for _, g := range c.GrantTypes {
			if g != "authorization_code" && g != "refresh_token" {
				rt.Fatalf("grant %q", g)
			}
		}
		if c.Profile != authz.FAPI2 || c.Owner.VI != "app.tinh.example.vn" || c.Verified.Holds() ||
			c.MayAct != "" || c.CodeWithoutPKCE || c.SessionManagement {
			rt.Fatalf("got %+v", c)
		}
		if c.Membership.Expires.After(v.Expiry) || c.Membership.Expires.After(federationtest.Now.Add(time.Duration(life)*time.Second)) {
			rt.Fatalf("it lives until %v, the chain until %v", c.Membership.Expires, v.Expiry)
		}
	})
}

// rulesFile is an operator's file that is good.
func rulesFile(t testing.TB, tr tree, changes claims) []byte {
	t.Helper()
	all := claims{
		"trust_anchors": []claims{{"entity_id": tr.anchor.ID, "jwks": tr.anchor.JWKS(t)}}, "profile": "fapi2", "scopes": []string{"openid"},
		"trust_marks": []claims{{"trust_mark_type": publicService, "scopes": []string{"offline_access"}}},
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestParseRules: an operator learns of a slip when the server starts.
func TestParseRules(t *testing.T) {
	tr := newTree(t)
	anchor := claims{"entity_id": tr.anchor.ID, "jwks": tr.anchor.JWKS(t)}
	for _, row := range []struct {
		name    string
		changes claims
		says    string
	}{
		{"good", nil, ""},
		{"the profile has a default", claims{"profile": nil}, ""},
		{"no anchor", claims{"trust_anchors": nil}, "trust_anchors"},
		{"an anchor without keys", claims{"trust_anchors": []claims{{"entity_id": tr.anchor.ID, "jwks": claims{"keys": []any{}}}}}, "no key"},
		{"an anchor whose keys cannot be read", claims{"trust_anchors": []claims{{"entity_id": tr.anchor.ID, "jwks": 1}}}, "jwks"},
		{"an anchor that is no entity", claims{"trust_anchors": []claims{{"entity_id": "http://neo.example.vn", "jwks": tr.anchor.JWKS(t)}}}, "https"},
		{"an anchor twice", claims{"trust_anchors": []claims{anchor, anchor}}, "twice"},
		{"a member that is not known", claims{"anchors": 1}, "anchors"},
		{"a mark without a type", claims{"trust_marks": []claims{{"required": true}}}, "trust_mark_type"},
		{"a mark twice", claims{"trust_marks": []claims{{"trust_mark_type": "a"}, {"trust_mark_type": "a"}}}, "twice"},
		{"a profile that is not", claims{"profile": "fapi3"}, "profile"},
		{"a profile of apps without keys", claims{"profile": "native"}, "profile"},
		{"a grant that the profile does not offer", claims{"grant_types": []string{"implicit"}}, "implicit"},
		{"a scope about people that no declaration covers", claims{"scopes": []string{"openid", "phone"}}, "phone"},
		{"a scope of a mark that no declaration covers", claims{"trust_marks": []claims{{"trust_mark_type": publicService, "scopes": []string{"phone"}}}}, "phone"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := registration.ParseRules(rulesFile(t, tr, row.changes), apps.Rules{Catalogue: lawful{}})
			switch {
			case row.says == "" && (err != nil || len(got.Anchors) != 1 || got.Let.Profile != authz.FAPI2):
				t.Errorf("got %+v, %v", got, err)
			case row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)):
				t.Errorf("got %v, want what says %q", err, row.says)
			}
		})
	}
}

// FuzzParseRules: whatever is in the file, what is taken has an anchor with a key and a
// profile whose apps prove a key.
func FuzzParseRules(f *testing.F) {
	tr := newTree(f)
	f.Add(rulesFile(f, tr, nil))
	f.Add([]byte(`{"trust_anchors":[{"entity_id":"https://a","jwks":{"keys":[]}}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := registration.ParseRules(raw, apps.Rules{Catalogue: lawful{}})
		if err != nil {
			return
		}
		if len(r.Anchors) == 0 || slices.ContainsFunc(r.Anchors, func(a trust.Anchor) bool { return a.Keys.Len() == 0 }) ||
			!slices.Contains(authz.Profiles[r.Let.Profile].AuthMethods, authz.PrivateKeyJWT) {
			t.Errorf("%s: taken as %+v", raw, r)
		}
	})
}

// TestSignedKeys: which keys an app has that says more than once where they are (§5.2.1).
func TestSignedKeys(t *testing.T) {
	tr := newTree(t)
	const signed, plain = "https://app.tinh.example.vn/signed", "https://app.tinh.example.vn/keys"
	for _, row := range []struct {
		name string
		app  claims
		uri  string
	}{
		{"signed_jwks_uri alone", claims{"jwks": nil, "signed_jwks_uri": signed}, signed},
		{"beside jwks_uri, which nobody signed", claims{"jwks": nil, "jwks_uri": plain, "signed_jwks_uri": signed}, signed},
		{"beside jwks, which stands in the chain", claims{"signed_jwks_uri": signed}, ""},
		{"all three", claims{"jwks_uri": plain, "signed_jwks_uri": signed}, ""},
		{"jwks_uri alone", claims{"jwks": nil, "jwks_uri": plain}, plain},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := registration.Decide(tr.verdict(t, parts{app: row.app}), registration.Automatic, nil, tr.rules(), federationtest.Now)
			if err != nil {
				t.Fatal(err)
			}
			c := got.Client
			if c.JWKSURI != row.uri || (len(c.JWKS) > 0) != (row.uri == "") || (c.JWKSSignedBy != nil) != (row.uri == signed) {
				t.Fatalf("got %+v", c.Keys)
			}
			if row.uri != signed {
				return
			}
			// The federation keys of the app, as the province states them.
			set, err := jose.ParseSet(c.JWKSSignedBy)
			if err != nil || set.Len() != 1 || federationtest.Parse(t, tr.app.Configuration(t, nil)).SignedBy(set) != nil {
				t.Errorf("signed by %s: %v", c.JWKSSignedBy, err)
			}
		})
	}
}
