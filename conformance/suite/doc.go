// Package suite tests any OpenID provider from outside, over HTTP(S) alone. It
// holds the framework; the modules are in the packages below it, one a family of
// specifications, and package catalogue lists them all.
//
// # Words
//
// A [Module] is one test: its name is that of the public certification module it
// stands for, its rule says in a sentence what a provider must do, and its
// function does it. A [Plan] is the modules that a certificate asks for, with the
// [Variant] each is run with. A [Run] is one module at work, in layers: a [Journal] of
// every exchange and every condition, [Checks] of what holds of every answer, a [Caller]
// that makes requests, the [Provider] with its metadata and keys, and on top the clients,
// browsers and persons that the run hands out. What a client does is a method of [Client],
// what comes of an authorization request one of [Request].
//
// # Writing a module
//
//	suite.Module{
//		Name: "oidcc-display-page", Clause: "OpenID Connect Core §3.1.2.1",
//		Rule: "display=page is accepted",
//		Test: func(r *suite.Run) { r.Login(suite.With("display", "page")) },
//	}
//
// A module states conditions, each with its clause, what was wanted and what came:
// [Journal.Must] ends the module when it does not hold, [Journal.Expect] fails it and goes
// on, [Journal.Should] warns, [Journal.Review] asks a person to look. There is no way to
// skip: what could not be tried is a review with the reason. The result is the worst
// of the conditions; a panic or a network error fails the module and nothing else.
//
// The shared flow is written once. [Run.Login] goes from discovery to UserInfo and
// checks everything on the way; options change one step of it ([With], [Without],
// [As], [In], [By]). A module that needs a step alone takes it: [Provider.Discover],
// [Run.Client], [Run.Request], [Request.Send], [Request.Accepted] or [Request.Refused],
// [Request.Exchange], [Client.VerifyIDToken], [Client.UserInfo].
// [Client.Binding], [Request.Through] and [Client.Authentication] are where profiles
// that push, sign or bind put themselves in.
//
// # People and pages
//
// [Browser] fills in HTML forms by the steps of the configuration, keeps cookies,
// records redirects, and stops where it is sent back to the suite: nobody needs to
// listen there, be it a query, a fragment or a self-submitting form. What the
// provider fetches or calls itself (jwks_uri, request_uri, sector_identifier_uri,
// logout tokens, pings) is served by [Places.Serve] on the suite's own listener.
package suite
