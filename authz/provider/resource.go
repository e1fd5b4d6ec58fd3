package provider

import (
	"encoding/json"
	"net/url"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/protocol"
	"hopnhat/authz/token"
	"hopnhat/keys"
)

// protectedResource is RFC 9728 §2: what one of our resources wants of a token.
type protectedResource struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	Scopes               []string `json:"scopes_supported,omitempty"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	Name                 string   `json:"resource_name"`
	NameVI               string   `json:"resource_name#vi"`
	DetailTypes          []string `json:"authorization_details_types_supported,omitempty"`
	DPoPAlgs             []string `json:"dpop_signing_alg_values_supported"`
	CertificateBound     bool     `json:"tls_client_certificate_bound_access_tokens"`
	// DPoPRequired where a DPoP key is the only thing that a token can be bound to.
	DPoPRequired bool `json:"dpop_bound_access_tokens_required,omitempty"`
}

// WellKnownResource starts the path of a resource's metadata, RFC 9728 §3.
const WellKnownResource = "/.well-known/oauth-protected-resource"

// ResourceMetadata are the metadata documents of our resources, by the path each
// is served at: the well-known part stands between host and path of the resource
// (RFC 9728 §3.1).
func (d *Documents) ResourceMetadata() map[string][]byte { return d.resourceMetadata }

func (d *Documents) buildResourceMetadata() error {
	d.resourceMetadata = map[string][]byte{}
	for _, r := range []protectedResource{
		{
			Resource: d.url.Broker, Name: "Broker of the national registers", NameVI: "Cổng chia sẻ dữ liệu quốc gia",
			DetailTypes: []string{authz.ReleaseType}, DPoPRequired: d.o.MutualTLSAlias == "",
		},
		{Resource: d.url.UserInfo, Scopes: []string{"openid"}, Name: "UserInfo", NameVI: "Thông tin người dùng"},
		{Resource: d.url.Grants, Scopes: token.ServiceScopes, Name: "Grant management", NameVI: "Quản lý ủy quyền"},
	} {
		r.AuthorizationServers, r.BearerMethods, r.DPoPAlgs = []string{d.o.Issuer}, []string{"header"}, keys.FAPI2Signatures.Names()
		r.CertificateBound = d.o.MutualTLSAlias != ""
		body, err := json.Marshal(r)
		if err != nil {
			return err
		}
		u, err := url.Parse(r.Resource)
		if err != nil {
			return err
		}
		d.resourceMetadata[WellKnownResource+u.Path] = body
	}
	return nil
}

// resourceMetadataAt is where the metadata of the resource at a path is, empty for
// an endpoint that is none. What stands above a path speaks for what is below.
func (d *Documents) resourceMetadataAt(path string) string {
	u, err := url.Parse(d.o.Issuer)
	if err != nil {
		return ""
	}
	for below := path; below != ""; below = below[:strings.LastIndexByte(below, '/')] {
		if at := WellKnownResource + u.Path + below; d.resourceMetadata[at] != nil {
			return u.Scheme + "://" + u.Host + at
		}
	}
	return ""
}

// BrokerSchemes are the challenges of the broker: it takes tokens that are bound to a
// DPoP key, and where client certificates are taken those that are bound to one, which
// are presented as Bearer (RFC 8705 §3).
func (d *Documents) BrokerSchemes() []string {
	if d.o.MutualTLSAlias == "" {
		return []string{schemeDPoP}
	}
	return []string{schemeDPoP, schemeBearer}
}

// ResourceMetadataURL is where the broker's metadata is, for its challenges.
func (d *Documents) ResourceMetadataURL() string { return d.resourceMetadataAt(protocol.BrokerPath) }
