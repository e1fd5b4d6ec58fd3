// Package rp is an OpenID provider that misbehaves on demand, so that an agency can
// prove that its app refuses what it must refuse. It is the reverse of package
// suite, and shares its journal, results and reports.
//
// # Words
//
// A [Module] is one test of an app. It has the name of the public certification
// module for relying parties where there is one: that of the FAPI 2.0 plan for an
// app that pushes its requests and binds its tokens, that of the OpenID Connect
// plans otherwise. A [Fault] is what the provider does wrong in one [SignIn]; the
// zero fault is a provider that does all right. A [Trial] is one module at work.
//
// # How a verdict is reached
//
// An app is seen from outside only. Two things tell that it accepted what it got: it
// goes on and uses it (it redeems the code, calls UserInfo or a resource, uses the
// refreshed token), or somebody is signed in, which a mark on the app's page tells, or
// the person who drives it by hand. A first sign-in at a well-behaved provider finds out
// which of the two this app gives, and what it makes use of; where neither can be seen a
// module is a review, never a pass.
//
// The provider knows one person, asks her nothing, and answers at once: it is for
// testing, and never to be trusted by an app in service.
package rp
