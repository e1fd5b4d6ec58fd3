package authztest

import (
	"net/http/httptest"
	"net/url"
	"testing"
)

// Manager has an app with a token for the grant management API.
func Manager(t *testing.T) (w *World, manage func(method, grant string) *httptest.ResponseRecorder) {
	t.Helper()
	w = WithBackend(t)
	k := NewKey(t)
	w.Clients["app"].Scopes = append(w.Clients["app"].Scopes, "grant_management_query", "grant_management_revoke")
	own := TokensOf(
		t, w.AskToken(t, "app", k, url.Values{"grant_type": {"client_credentials"}, "scope": {"grant_management_query grant_management_revoke"}}),
	)
	return w, func(method, grant string) *httptest.ResponseRecorder {
		return w.AtResource(t, w.Grant, k, method, "/grants/"+grant, own.Access)
	}
}
