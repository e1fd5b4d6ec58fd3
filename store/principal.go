package store

import "hopnhat/authz"

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

// representedColumns are the columns of whom a principal acts for, all null for herself.
func representedColumns(p authz.Principal) (represented, kind, mandate *string) {
	if p.For == nil {
		return nil, nil, nil
	}
	subject, of, under := string(p.For.Subject), string(p.For.Kind), string(p.Mandate)
	return &subject, &of, &under
}
