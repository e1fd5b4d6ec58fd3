package authz

import (
	"strconv"
	"strings"
)

// AuthenticationLevel is how a session was authenticated, 1 to 4 (Decree
// 69/2024/NĐ-CP Art. 20): 1 one factor, 2 two different factors, 3 two of which
// one biometric, 4 biometric, possession and knowledge together.
type AuthenticationLevel int

// AccountLevel is how well the person was proofed, 1 or 2 (Decree 69/2024/NĐ-CP
// Art. 7, mức độ tài khoản). It is a different thing from [AuthenticationLevel].
type AccountLevel int

// acrPrefix starts the URI that names an authentication level in `acr`.
const acrPrefix = "urn:vn:gov:eid:auth-level:"

// ACR is the level as an authentication context class reference, OpenID Connect
// Core §2.
func (l AuthenticationLevel) ACR() string { return acrPrefix + strconv.Itoa(int(l)) }

// ParseACR reads an `acr` value of ours; ok is false for any other.
func ParseACR(acr string) (level AuthenticationLevel, ok bool) {
	digit, ok := strings.CutPrefix(acr, acrPrefix)
	if !ok || len(digit) != 1 || digit[0] < '1' || digit[0] > '4' {
		return 0, false
	}
	return AuthenticationLevel(digit[0] - '0'), true
}

// LevelOf derives the authentication level from the methods used, as RFC 8176
// names them in `amr`.
func LevelOf(methods []string) AuthenticationLevel {
	var knowledge, possession, biometric, several bool
	for _, m := range methods {
		switch m {
		case "pwd", "pin", "kba":
			knowledge = true
		case "otp", "hwk", "swk", "pop", "sms", "sc":
			possession = true
		case "face", "fpt", "iris", "vbm":
			biometric = true
		case "mfa": // which two it were is not known
			several = true
		}
	}
	switch factors := count(knowledge, possession, biometric); {
	case knowledge && possession && biometric:
		return 4
	case biometric && factors >= 2:
		return 3
	case factors >= 2, several:
		return 2
	case factors == 1:
		return 1
	default:
		return 0
	}
}

func count(facts ...bool) int {
	n := 0
	for _, f := range facts {
		if f {
			n++
		}
	}
	return n
}
