package mark

import (
	"time"

	"hopnhat/federation"
	"hopnhat/federation/trust"
	"hopnhat/keys/jose"
)

// Status is what the issuer of a mark says of it (OpenID Federation 1.0 §8.4.2).
type Status string

// The states of §8.4.2. Whatever else an issuer says is not active.
const (
	Active  Status = "active"
	Expired Status = "expired"
	Revoked Status = "revoked"
	Invalid Status = "invalid"
)

// MaxStatusAge is how old a status may be that is taken for an answer.
const MaxStatusAge = 5 * time.Minute

// StatusClaims are the payload of a status (§8.4.2).
type StatusClaims struct {
	Issuer   federation.EntityID `json:"iss"`
	IssuedAt int64               `json:"iat"`
	Mark     string              `json:"trust_mark"`
	Status   Status              `json:"status"`
}

// ReadStatus verifies what the issuer of a mark answered: it is signed with a key of the
// issuer, about this very mark, and from now. A state that the standard does not know is
// returned as it is.
func ReadStatus(token string, about Mark, issuer *jose.Set, now time.Time) (Status, error) {
	const section = "8.4.2"
	r, p, err := receive(token, StatusType, section, maxStatus)
	if err != nil {
		return "", err
	}
	who, err := entity(p.Issuer, section, "iss")
	if err != nil {
		return "", err
	}
	issued, _, err := p.times(section)
	switch {
	case err != nil:
		return "", err
	case who != about.Issuer:
		return "", fault(section, "it is of %s, and the mark of %s", who, about.Issuer)
	case p.Mark == nil || *p.Mark != about.token:
		return "", fault(section, "it is about another mark")
	case p.Status == nil || *p.Status == "" || len(*p.Status) > maxText:
		return "", fault(section, "status is missing or empty")
	case issued.After(now.Add(trust.Leeway)) || issued.Before(now.Add(-MaxStatusAge)):
		return "", fault(section, "it is of %s, and now is %s", stamp(issued), stamp(now))
	case signedBy(r, issuer) != nil:
		return "", fault(section, "it is not signed with the key of the issuer that it names")
	}
	return Status(*p.Status), nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
