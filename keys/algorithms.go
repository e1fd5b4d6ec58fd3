package keys

// Algorithm is a JWS or JWE algorithm, RFC 7518 §3.1 and §4.1, RFC 8037 §3.1.
type Algorithm string

// The algorithms of this system; no signature is symmetric.
const (
	ES256      Algorithm = "ES256"
	EdDSA      Algorithm = "EdDSA"
	PS256      Algorithm = "PS256"
	RS256      Algorithm = "RS256"
	RSAOAEP256 Algorithm = "RSA-OAEP-256" // decryption
)

// Algorithms is a list of them, the preferred first.
type Algorithms []Algorithm

// Which algorithms sign, one list for each standard that limits them. What is verified,
// what the metadata offer and what an app may register (authz.Profiles) are these lists;
// nothing else names one (docs/decisions.md D4).
var (
	// OpenIDSignatures are for apps that speak plain OpenID Connect: RS256 is the
	// default of OpenID Connect Dynamic Registration §2. ID tokens and keys of ours may be of any.
	OpenIDSignatures = Algorithms{ES256, EdDSA, PS256, RS256}
	// FAPI2Signatures are those of FAPI 2.0 SP §5.4.1, and of all that no older standard
	// binds: access tokens, DPoP proofs, statements and assertions of others.
	FAPI2Signatures = OpenIDSignatures[:3:3]
	// FAPI1Signatures are those of FAPI 1.0 Advanced §8.6, to which FAPI-CIBA §7.6 refers.
	FAPI1Signatures = Algorithms{ES256, PS256}
)

// Names are the algorithms as JSON has them.
func (a Algorithms) Names() []string {
	names := make([]string, len(a))
	for i, one := range a {
		names[i] = string(one)
	}
	return names
}

// Named makes a list of names that were checked before.
func Named(names []string) Algorithms {
	list := make(Algorithms, len(names))
	for i, name := range names {
		list[i] = Algorithm(name)
	}
	return list
}
