// Package authztest is a provider with the clock in hand, over fakes that keep state, for the
// tests of the rooms that speak HTTP: each room tests its own behaviour through the handlers that
// a provider wires (authz/authorize, authz/redeem, authz/token, authz/endsession, authz/provider).
package authztest
