// Package delegation decides who may act for whom: token exchange (RFC 8693) by
// the rules of the acting app, and assertions of issuers that an app trusts
// (RFC 7523). It is pure: checked tokens, rules and the time come in as values,
// and what no rule permits is refused. Who presents a token and whether its grant
// still lives is the provider's to find out.
package delegation
