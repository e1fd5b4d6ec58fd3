// Package clients drives a running server with clients that others wrote: go-oidc
// here, and in the folder node the certified openid-client and a browser. The
// person at the browser is played at plain HTML forms.
package clients
