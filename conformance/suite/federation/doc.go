// Package federation tests entities of OpenID Federation 1.0 from outside: what one publishes and
// states of others, and a provider that lets apps in by their trust chains.
package federation
