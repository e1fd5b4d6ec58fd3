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
func (p *Provider) ResourceMetadata() map[string][]byte { return p.resourceMetadata }

func (p *Provider) buildResourceMetadata() error {
	p.resourceMetadata = map[string][]byte{}
	for _, r := range []protectedResource{
		{
			Resource: p.url.Broker, Name: "Broker of the national registers", NameVI: "Cổng chia sẻ dữ liệu quốc gia",
			DetailTypes: []string{authz.ReleaseType}, DPoPRequired: p.o.MutualTLSAlias == "",
		},
		{Resource: p.url.UserInfo, Scopes: []string{"openid"}, Name: "UserInfo", NameVI: "Thông tin người dùng"},
		{Resource: p.url.Grants, Scopes: token.ServiceScopes, Name: "Grant management", NameVI: "Quản lý ủy quyền"},
	} {
		r.AuthorizationServers, r.BearerMethods, r.DPoPAlgs = []string{p.o.Issuer}, []string{"header"}, keys.FAPI2Signatures.Names()
		r.CertificateBound = p.o.MutualTLSAlias != ""
		body, err := json.Marshal(r)
		if err != nil {
			return err
		}
		u, err := url.Parse(r.Resource)
		if err != nil {
			return err
		}
		p.resourceMetadata[WellKnownResource+u.Path] = body
	}
	return nil
}

// resourceMetadataAt is where the metadata of the resource at a path is, empty for
// an endpoint that is none. What stands above a path speaks for what is below.
func (p *Provider) resourceMetadataAt(path string) string {
	u, err := url.Parse(p.o.Issuer)
	if err != nil {
		return ""
	}
	for below := path; below != ""; below = below[:strings.LastIndexByte(below, '/')] {
		if at := WellKnownResource + u.Path + below; p.resourceMetadata[at] != nil {
			return u.Scheme + "://" + u.Host + at
		}
	}
	return ""
}

// BrokerSchemes are the challenges of the broker: it takes tokens that are bound to a
// DPoP key, and where client certificates are taken those that are bound to one, which
// are presented as Bearer (RFC 8705 §3).
func (p *Provider) BrokerSchemes() []string {
	if p.o.MutualTLSAlias == "" {
		return []string{schemeDPoP}
	}
	return []string{schemeDPoP, schemeBearer}
}

// ResourceMetadataURL is where the broker's metadata is, for its challenges.
func (p *Provider) ResourceMetadataURL() string { return p.resourceMetadataAt(protocol.BrokerPath) }
