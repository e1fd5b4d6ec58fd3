package suite

import (
	"maps"
	"slices"
	"strings"
)

// known are the claims of the registry of JSON Web Token claims (RFC 7519 §10.1)
// that a provider may have reason to send, with those of OpenID Connect that stand in
// a specification and not there.
var known = words(`iss sub aud exp nbf iat jti
	name given_name family_name middle_name nickname preferred_username profile picture website email email_verified gender birthdate zoneinfo
	locale phone_number phone_number_verified address updated_at
	azp nonce auth_time at_hash c_hash s_hash ds_hash acr amr sid sub_jwk sub_id cnf act may_act scope client_id events txn toe vot vtm
	roles groups entitlements authorization_details token_introspection trust_chain session_id
	verified_claims place_of_birth nationalities birth_family_name birth_given_name birth_middle_name salutation title msisdn also_known_as
	_claim_names _claim_sources _sd _sd_alg urn:openid:params:jwt:claim:rt_hash urn:openid:params:jwt:claim:auth_req_id`)

// metadata are the members of the registry of authorization server metadata (RFC 8414
// §7.1) and of the specifications of the OpenID Foundation that add to them.
var metadata = words(`issuer authorization_endpoint token_endpoint userinfo_endpoint jwks_uri registration_endpoint scopes_supported
	response_types_supported response_modes_supported grant_types_supported acr_values_supported subject_types_supported
	id_token_signing_alg_values_supported id_token_encryption_alg_values_supported id_token_encryption_enc_values_supported
	userinfo_signing_alg_values_supported userinfo_encryption_alg_values_supported userinfo_encryption_enc_values_supported
	request_object_signing_alg_values_supported request_object_encryption_alg_values_supported request_object_encryption_enc_values_supported
	token_endpoint_auth_methods_supported token_endpoint_auth_signing_alg_values_supported display_values_supported claim_types_supported
	claims_supported service_documentation claims_locales_supported ui_locales_supported claims_parameter_supported
	request_parameter_supported request_uri_parameter_supported require_request_uri_registration op_policy_uri op_tos_uri signed_metadata
	revocation_endpoint revocation_endpoint_auth_methods_supported revocation_endpoint_auth_signing_alg_values_supported
	introspection_endpoint introspection_endpoint_auth_methods_supported introspection_endpoint_auth_signing_alg_values_supported
	introspection_signing_alg_values_supported introspection_encryption_alg_values_supported introspection_encryption_enc_values_supported
	code_challenge_methods_supported device_authorization_endpoint tls_client_certificate_bound_access_tokens mtls_endpoint_aliases
	pushed_authorization_request_endpoint require_pushed_authorization_requests require_signed_request_object
	authorization_response_iss_parameter_supported authorization_details_types_supported dpop_signing_alg_values_supported protected_resources
	authorization_signing_alg_values_supported authorization_encryption_alg_values_supported authorization_encryption_enc_values_supported
	prompt_values_supported end_session_endpoint check_session_iframe frontchannel_logout_supported frontchannel_logout_session_supported
	backchannel_logout_supported backchannel_logout_session_supported
	backchannel_authentication_endpoint backchannel_token_delivery_modes_supported backchannel_authentication_request_signing_alg_values_supported
	backchannel_user_code_parameter_supported backchannel_endpoint_login_hint_token_types_supported
	grant_management_endpoint grant_management_actions_supported grant_management_action_required
	verified_claims_supported trust_frameworks_supported claims_in_verified_claims_supported evidence_supported documents_supported
	documents_methods_supported documents_check_methods_supported documents_validation_methods_supported documents_verification_methods_supported
	electronic_records_supported attachments_supported digest_algorithms_supported
	client_registration_types_supported federation_registration_endpoint request_authentication_methods_supported
	request_authentication_signing_alg_values_supported signed_jwks_uri organization_name homepage_uri contacts logo_uri policy_uri
	native_sso_supported client_id_metadata_document_supported`)

func words(text string) []string { return strings.Fields(text) }

// KnownClaims warns of claims that no registry has: a client cannot know what they
// mean, and the next registry may mean something else by the name. A name that is a
// URI is its maker's own (RFC 7519 §4.2).
func (c *Checks) KnownClaims(where string, claims Claims) {
	var others []string
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		plain, _, _ := strings.Cut(name, "#")
		if !slices.Contains(known, plain) && !strings.Contains(plain, ":") {
			others = append(others, name)
		}
	}
	c.Should(len(others) == 0, "RFC 7519 §4.2", where+" holds registered claims, or such as are named by a URI", others)
}

// KnownMetadata warns of members of the metadata that no registry has.
func (c *Checks) KnownMetadata(m Claims) {
	var others []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		plain, _, _ := strings.Cut(name, "#")
		if !slices.Contains(metadata, plain) && !strings.Contains(plain, ":") {
			others = append(others, name)
		}
	}
	c.Should(len(others) == 0, "RFC 8414 §7.1", "the metadata hold registered members", others)
}
