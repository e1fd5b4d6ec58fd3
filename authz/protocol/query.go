package protocol

import (
	"net/url"
	"strings"
)

// WithQuery adds an encoded query to a URI, and keeps the query that is there (RFC 6749
// §3.1.2).
func WithQuery(uri, query string) string {
	switch {
	case query == "":
		return uri
	case strings.Contains(uri, "?"):
		return uri + "&" + query
	}
	return uri + "?" + query
}

// WithParameters adds name, value pairs to a URI, in their order; empty values are left
// out.
func WithParameters(uri string, pairs ...string) string {
	var query []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query = append(query, pairs[i]+"="+url.QueryEscape(pairs[i+1]))
		}
	}
	return WithQuery(uri, strings.Join(query, "&"))
}
