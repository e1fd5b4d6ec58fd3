package delegation

import "hopnhat/authz"

// MaxDepth bounds a chain of actors: beyond it nobody can tell any more who acts
// for whom.
const MaxDepth = 4

// Actor is who acts, RFC 8693 §4.1: the newest outermost, who acted before it
// inside. Subject is the acting service or app; Client the app that exchanged,
// where that is another name.
type Actor struct {
	Subject string         `json:"sub"`
	Client  authz.ClientID `json:"client_id"`
	Act     *Actor         `json:"act,omitempty"`
}

// Chain lists the actors, newest first.
func (a *Actor) Chain() []Actor {
	var out []Actor
	for ; a != nil; a = a.Act {
		out = append(out, *a)
	}
	return out
}

// Clients lists the acting apps, newest first.
func (a *Actor) Clients() []authz.ClientID {
	var out []authz.ClientID
	for _, one := range a.Chain() {
		out = append(out, one.Client)
	}
	return out
}

// Party is the one party that may act, RFC 8693 §4.4.
type Party struct {
	Subject string `json:"sub"`
}
