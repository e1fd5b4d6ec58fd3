package seal

// Use is the purpose of a key. The key is derived under the use's label, so no two uses
// share one: a text of one use is never good for another.
type Use struct {
	Label string
	// Under is the label of the key that this one is derived from; empty: the keyring.
	Under string
	// Prefix begins each text, where the texts have one: a finder sees whose it is, and
	// log lines are searched for it.
	Prefix string
	// Size is the length of a MAC in bytes, 32 if zero. Sixteen are enough where a guess
	// can only be tried at a server of ours.
	Size int
	// Encrypts: the key is of AES-256-GCM, and makes no MACs.
	Encrypts bool
}

// The uses. Each format is described where it is made and read.
var (
	RefreshTokens     = Use{Label: "refresh-token", Prefix: "hnr."}
	FrontChannel      = Use{Label: "front-channel access tokens", Prefix: "hna."}
	Handles           = Use{Label: "authorization handles", Size: 16}
	Codes             = Use{Label: "authorization codes"}
	BrowserStates     = Use{Label: "browser states", Size: 16}
	LogoutRequests    = Use{Label: "logout requests"}
	Approvals         = Use{Label: "decoupled approvals", Prefix: "hnq."}
	Nonces            = Use{Label: "DPoP nonces", Size: 16}
	Forms             = Use{Label: "forms"}
	FormSeals         = Use{Label: "seal", Under: "forms", Encrypts: true}
	Tickets           = Use{Label: "sign-in tickets", Encrypts: true}
	Passkeys          = Use{Label: "passkeys"}
	PasskeyHandles    = Use{Label: "user handles of passkeys", Under: "passkeys"}
	PasskeyRows       = Use{Label: "rows of passkeys", Under: "passkeys"}
	LogReaders        = Use{Label: "readers of the release log", Prefix: "hnl.", Encrypts: true}
	DevicesAndBudgets = Use{Label: "devices and budgets", Under: "sign-in tickets"}
	EvidenceTables    = Use{Label: "evidence tables"}                   // each table has a key
	EventRows         = Use{Label: "event rows"}                        // each year has a key, see [Use.Version]
	RegionalPeople    = Use{Label: "people of provinces"}               // each province has a key
	EventCopies       = Use{Label: "event copies", Under: "event rows"} // and each copy under it, see [Key.Once]
)

// Version is a use whose key is another one for each version of it, by name. One that is
// derived from another use is so from the same version of that.
func (u Use) Version(name string) Use {
	u.Label += " " + name
	if u.Under != "" {
		u.Under += " " + name
	}
	return u
}

// Uses lists all.
var Uses = []Use{
	RefreshTokens, FrontChannel, Handles, Codes, BrowserStates, LogoutRequests, Approvals, Nonces, Forms, FormSeals, Tickets, DevicesAndBudgets,
	EventRows, EventCopies, EvidenceTables,
	LogReaders, RegionalPeople, Passkeys, PasskeyHandles, PasskeyRows,
}

// Prefixes are those of all texts that have one.
func Prefixes() []string {
	var all []string
	for _, use := range Uses {
		if use.Prefix != "" {
			all = append(all, use.Prefix)
		}
	}
	return all
}
