package authztest

import (
	"encoding/json"
	"testing"
)

// IDToken is one that the app got for who is signed in.
func (w *World) IDToken(t *testing.T) string {
	t.Helper()
	q, _, err := w.Open(t, Authorization())
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		IDToken string `json:"id_token"`
	}
	answer := w.RedeemAsApp(q.Get("code"))
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || body.IDToken == "" {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	return body.IDToken
}
