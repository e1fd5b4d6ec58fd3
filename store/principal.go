package store

import (
	"hopnhat/authz"
	"hopnhat/store/handle"
)

// principalOf reads a principal from its columns: those of whom she acts for are null
// when she acts for herself.
func principalOf(actor string, represented, kind, mandate *string) authz.Principal {
	if represented == nil {
		return authz.Herself(authz.Subject(actor))
	}
	whom := authz.Represented{Subject: authz.Subject(*represented)}
	if kind != nil {
		whom.Kind = authz.Kind(*kind)
	}
	p := authz.Acting(authz.Subject(actor), whom, "")
	if mandate != nil {
		p.Mandate = authz.MandateID(*mandate)
	}
	return p
}

// representedColumns is [handle.Represented].
var representedColumns = handle.Represented
