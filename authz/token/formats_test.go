package token

import (
	"testing"

	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// TestFormats: an access token of the front channel of the release before is good, and
// ours are the same letter by letter: a text that tells its holder nothing to rely on (RFC 6749
// §1.4).
func TestFormats(t *testing.T) {
	const token = "hna.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJzdWIiOiJzIiwiYXVkIjpbImEiXSwiY2xpZW50X2lkIjoiYXBwIiwiZXhwIjoxLCJpYXQiOjAsImp0aSI6ImoiLCJzY29wZSI6Im9wZW5pZCIsImdpZCI6ImcifQ.a2SlBKeaXWLpanX1kc6HcfTQG52kkx3fCEGOzmyuWbI"
	k := OpaqueKey{keytest.GoldenKey(seal.FrontChannel)}
	claims := AccessClaims{Issuer: "https://id.example", Subject: "s", Audience: []string{"a"}, ClientID: "app", Expires: 1, ID: "j", Scope: "openid", Grant: "g"}
	if got := k.seal(claims); got != token {
		t.Errorf("got %s", got)
	}
	if got, ok := k.open(token); !ok || got.Grant != "g" || !IsOpaque(token) {
		t.Errorf("read %+v, %v", got, ok)
	}
	for _, text := range []string{token[4:], token + "A", token[:len(token)-44], "hnb." + token[4:], "", "hna."} {
		if _, ok := k.open(text); ok {
			t.Errorf("%q is taken", text)
		}
	}
}
