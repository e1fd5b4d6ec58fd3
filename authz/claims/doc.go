// Package claims makes claims about a person out of what was released: which
// attributes of a register make which claim, and what each claim looks like. It is
// pure. Whether an attribute may leave is decided and recorded by the broker before
// (docs/decisions.md D8); a claim whose attributes were not released is left out, which the
// standard asks for (OpenID Connect Core §5.3.2).
package claims
