// Package upstream is sign-in by another provider: a national app, the staff directory of a
// province, a node abroad. This server is the relying party of that provider (OpenID Connect
// Core), and stays the provider of its own apps.
//
// The package holds the words and the rules, all pure: what an operator says of a provider
// ([Parse]), the authentication request ([Provider.Request]), the checks of the response
// ([Provider.Response]), of the ID token ([Provider.Judge]) and of a logout token
// ([Provider.Ended]), and whom a sign-in is ([Provider.SignIn],
// [Provider.Link]). Requests over the network are
// made by the package client, and what is kept is kept through the package flow.
//
// A person at a provider is the pair of its issuer and its subject, and nothing else
// (OpenID Connect Core §5.7). A link binds the pair to one account here. It is made of itself
// only where the provider names a 12-digit number that a register verified and that an
// account here has, at a sufficient level; never by an e-mail address or a telephone number.
// Otherwise the person links it herself, after she has signed in here.
package upstream
