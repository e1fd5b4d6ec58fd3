// Package bench measures a running server over HTTP: throughput, latency, and
// per operation the commits, signatures, statements and CPU of server and
// database. It starts servers of its own by the product's command line, checks
// every answer, and imports nothing of the product.
package bench
