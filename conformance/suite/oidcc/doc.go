// Package oidcc holds the plans of OpenID Connect for providers: Config, Basic,
// Implicit, Hybrid and Form Post, Dynamic, third-party-initiated login, and the four
// ways of logout. The modules carry the names of the public certification modules;
// what each does is written from the specifications it cites.
package oidcc
