package provider

import (
	"context"
	"slices"

	"hopnhat/authz/claims"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
)

// otherSubject reports whether a request is for a sub that is not the person who is
// signed in (OpenID Connect Core §3.1.2.2, §5.5.1).
func (p *Provider) otherSubject(ctx context.Context, r request.Authorization, client *clientauth.Registered, s SignedIn) (bool, error) {
	if r.Claims == nil {
		return false, nil
	}
	subjects, named := r.Claims.Subject()
	if !named {
		return false, nil
	}
	own, err := p.o.Pseudonyms.Pairwise(ctx, client.Sector, s.Subject)
	return err == nil && !slices.Contains(subjects, string(own)), err
}

// assurance is what OpenID Connect for Identity Assurance §8 has discovery say.
type assurance struct {
	VerifiedClaims    bool     `json:"verified_claims_supported,omitempty"`
	TrustFrameworks   []string `json:"trust_frameworks_supported,omitempty"`
	Evidence          []string `json:"evidence_supported,omitempty"`
	ElectronicRecords []string `json:"electronic_records_supported,omitempty"`
	ClaimsInVerified  []string `json:"claims_in_verified_claims_supported,omitempty"`
}

func (p *Provider) assurance() assurance {
	if p.o.Releases == nil {
		return assurance{}
	}
	return assurance{
		VerifiedClaims: true, TrustFrameworks: []string{claims.TrustFramework}, Evidence: []string{claims.EvidenceType},
		ElectronicRecords: []string{claims.ElectronicRecord}, ClaimsInVerified: claims.InVerified(),
	}
}

// claimsAbout are the names of the claims about the person that are offered.
func (p *Provider) claimsAbout() []string {
	if p.o.Releases == nil {
		return nil
	}
	return claims.Names()
}

// claimsLocales: names and addresses are in Vietnamese (OpenID Connect Core §5.2).
func (p *Provider) claimsLocales() []string {
	if p.o.Releases == nil {
		return nil
	}
	return []string{"vi"}
}
