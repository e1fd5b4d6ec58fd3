package authz

import "time"

// Basis is a legal basis for processing (căn cứ pháp lý) as the catalogue of
// purposes names it, for example LB-CONSENT (Law 91/2025/QH15 Art. 9, 19).
type Basis string

// The bases that code distinguishes; all fourteen are in the catalogue.
const (
	BasisConsent        Basis = "LB-CONSENT"
	BasisWrittenRequest Basis = "LB-WRITTEN-REQUEST"
	BasisDualAuthority  Basis = "LB-DUAL-AUTHORITY"
	BasisChild          Basis = "LB-CHILD"
	BasisState          Basis = "LB-STATE"
	BasisVital          Basis = "LB-VITAL"
	BasisCourt          Basis = "LB-COURT"
	BasisSecurity       Basis = "LB-EMERGENCY-SECURITY"
	BasisSupervision    Basis = "LB-SUPERVISION"
)

// PurposeID names a purpose of the catalogue, for example dvc.prefill.
type PurposeID string

// RegistryID names a national register, for example population.
type RegistryID string

// AttributeID names one attribute of a register, for example
// population.full_name.
type AttributeID string

// ReleaseType is the RFC 9396 `type` of a data release request.
const ReleaseType = "vn_data_release"

// Release is one authorization detail of type vn_data_release (RFC 9396 §2): a
// wish, when it comes from a client; a permission, when it comes from a grant.
// Unknown members are refused.
type Release struct {
	Type          string        `json:"type"`
	Registry      RegistryID    `json:"registry"`
	Attributes    []AttributeID `json:"attributes"`
	Purpose       PurposeID     `json:"purpose"`
	Basis         Basis         `json:"legal_basis"`
	Subject       RecordSubject `json:"subject,omitempty"`
	CaseReference string        `json:"case_reference,omitempty"`
	// Frequency is "once" or "unlimited" or "N/day" within the validity.
	Frequency string `json:"frequency,omitempty"`
	// DataLife is how long the recipient may keep the data, an ISO 8601
	// duration in days, for example P30D.
	DataLife   string    `json:"data_life,omitempty"`
	ValidUntil time.Time `json:"valid_until,omitzero"`
	// Locations pins the broker that may serve the release (RFC 9396 §2.2).
	Locations []string `json:"locations,omitempty"`
	// Recipients are the apps that may receive it when they act for this one, as
	// the person was shown them; the declaration says which, not the request.
	Recipients []ClientID `json:"recipients,omitempty"`
	// ConsentReference is added in the token response: the consent and its
	// version on which the permission rests.
	ConsentReference string `json:"consent_reference,omitempty"`
}

// Demand is a release that a part of this process asks of the broker: the provider, for
// claims about the person (OpenID Connect Core §5). It goes the way of every other: decided,
// recorded, logged, and only then read out.
type Demand struct {
	Grant    GrantID
	Client   ClientID
	Registry RegistryID
	Purpose  PurposeID
	// Attributes are of the register, none twice.
	Attributes []AttributeID
	// RequestID is our id of the HTTP request.
	RequestID string
	// Redeeming says that the grant's code is being redeemed by its client in this
	// very request, since its ID token is made before the code is spent, or that the
	// token came through the browser beside a code.
	Redeeming bool
}
