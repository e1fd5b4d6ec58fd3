package federation

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// EntityID names an entity: an https URL with a host, and without credentials, query or
// fragment (OpenID Federation 1.0 §1.2). Two are equal if they are the same text.
type EntityID string

// MaxEntityID is the length of the longest name in bytes, which is that of a URL that every
// browser takes.
const MaxEntityID = 2048

// ErrEntityID is returned for a text that names no entity.
var ErrEntityID = errors.New("not an entity identifier")

// ParseEntityID reads the name of an entity.
func ParseEntityID(text string) (EntityID, error) {
	if len(text) > MaxEntityID {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrEntityID, MaxEntityID)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("%w: %q is not a URL", ErrEntityID, text)
	case u.Scheme != "https" || !strings.HasPrefix(text, "https://"):
		return "", fmt.Errorf("%w: %q does not begin with https://", ErrEntityID, text)
	case u.Hostname() == "":
		return "", fmt.Errorf("%w: %q has no host", ErrEntityID, text)
	case !plainHost(u.Hostname()):
		return "", fmt.Errorf("%w: the host of %q is not one of letters, digits, dashes and periods, without a period at its end", ErrEntityID, text)
	case u.User != nil:
		return "", fmt.Errorf("%w: it has credentials in it", ErrEntityID)
	case strings.ContainsAny(text, "?#"):
		return "", fmt.Errorf("%w: %q has a query or a fragment", ErrEntityID, text)
	}
	return EntityID(text), nil
}

// plainHost reports whether a host is written in one way only: one that is escaped, or ends
// in a period, is the same host to those who dial it, and another to naming constraints.
func plainHost(host string) bool {
	return !strings.HasSuffix(host, ".") && !strings.ContainsFunc(host, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._:", r)
	})
}

// Host is the host of the name, in lower case and without a port: what naming
// constraints are about (§6.2.2).
func (id EntityID) Host() string {
	u, err := url.Parse(string(id))
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// EntityType names a role that an entity plays, and the form of its metadata (§5.1).
type EntityType string

// The entity types of OpenID Federation 1.0 §5.1.
const (
	FederationEntity    EntityType = "federation_entity"
	RelyingParty        EntityType = "openid_relying_party"
	OpenIDProvider      EntityType = "openid_provider"
	AuthorizationServer EntityType = "oauth_authorization_server"
	OAuthClient         EntityType = "oauth_client"
	ProtectedResource   EntityType = "oauth_resource"
)

// Parameters are metadata parameters by their names. A value is what
// [encoding/json.Decoder.UseNumber] makes of JSON; none is nil.
type Parameters map[string]any

// Metadata are the parameters of each entity type that an entity declares (§5).
type Metadata map[EntityType]Parameters

// Operators are the operators of one parameter's policy by their names, each with the
// value that configures it (§6.1.2).
type Operators map[string]any

// Policy is a metadata policy: operators by entity type and parameter (§6.1.2).
type Policy map[EntityType]map[string]Operators

// Constraints limit what stands below the subject of a statement (§6.2).
type Constraints struct {
	// MaxPathLength is how many intermediates may stand between the issuer of the
	// statement and the subject of the chain; nil for any number (§6.2.1).
	MaxPathLength *int
	// Permitted and Excluded are hosts, or domains with a period before them. Permitted
	// is nil where every name is (§6.2.2).
	Permitted, Excluded []string
	// AllowedTypes are the entity types that may stay in the metadata, besides
	// federation_entity. It counts only if LimitsTypes is true (§6.2.3).
	AllowedTypes []EntityType
	LimitsTypes  bool
}
