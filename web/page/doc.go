// Package page is a visit to a page: the browser that asks, its session, the token
// that its forms carry, the language it is answered in, and where it may be sent. It
// knows no page by name. A handler takes a [Visit], and either answers with
// [Visit.Show] or returns an error: a [Fault] has a page of its own, a [Redirect] leads
// on, and anything else is sorted where all errors are rendered, in package web.
package page
