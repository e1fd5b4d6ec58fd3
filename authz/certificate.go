package authz

// CertificateName says which certificate a client of method tls_client_auth
// presents: exactly one of the members of RFC 8705 §2.1.2.
type CertificateName struct {
	// SubjectDN is the subject in the text form of RFC 4514.
	SubjectDN string `json:"tls_client_auth_subject_dn,omitempty" yaml:"tls_client_auth_subject_dn,omitempty"`
	// DNS, URI, IP and Email are entries of the subject alternative name.
	DNS   string `json:"tls_client_auth_san_dns,omitempty" yaml:"tls_client_auth_san_dns,omitempty"`
	URI   string `json:"tls_client_auth_san_uri,omitempty" yaml:"tls_client_auth_san_uri,omitempty"`
	IP    string `json:"tls_client_auth_san_ip,omitempty" yaml:"tls_client_auth_san_ip,omitempty"`
	Email string `json:"tls_client_auth_san_email,omitempty" yaml:"tls_client_auth_san_email,omitempty"`
}
