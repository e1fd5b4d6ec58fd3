// Package conformance looks at the product from outside: black-box suites by
// specification, third-party clients, scenarios and measurements, all against a
// running server. It imports none of the product.
//
// The package itself holds the layout test: which package may import which, which
// framework may be named where, and which names are not given to packages and files.
package conformance
