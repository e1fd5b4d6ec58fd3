package clients

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// OAuth2Proxy is oauth2-proxy, which stands in front of an app and signs people in
// for it.
type OAuth2Proxy struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	// Port is the one that it listens at, on loopback.
	Port int
	// Folder is that of its module, conformance/clients/oauth2proxy.
	Folder string
	// Elsewhere is a host and port that it may send the browser on to.
	Elsewhere string
}

// Start builds it, starts it and waits until it answers; it ends with the test.
func (o OAuth2Proxy) Start(t testing.TB) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "oauth2-proxy")
	build := exec.CommandContext(
		t.Context(), "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", program, "github.com/oauth2-proxy/oauth2-proxy/v7",
	)
	build.Dir = o.Folder
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building oauth2-proxy: %v\n%s", err, output)
	}
	var secret [16]byte
	if _, err := rand.Read(secret[:]); err != nil {
		t.Fatal(err)
	}
	home := "http://localhost:" + strconv.Itoa(o.Port)
	command := exec.Command(program, "--provider=oidc", "--oidc-issuer-url="+o.Issuer, "--client-id="+o.ClientID, "--scope=openid",
		"--code-challenge-method=S256", "--insecure-oidc-skip-nonce=false", "--oidc-email-claim=sub", "--email-domain=*",
		"--skip-provider-button",
		"--http-address=127.0.0.1:"+strconv.Itoa(o.Port), "--redirect-url="+home+"/oauth2/callback", "--upstream=static://200",
		"--whitelist-domain="+o.Elsewhere, "--cookie-secure=false")
	command.Env = append(
		os.Environ(), "OAUTH2_PROXY_CLIENT_SECRET="+o.ClientSecret, "OAUTH2_PROXY_COOKIE_SECRET="+hex.EncodeToString(secret[:]),
	)
	run(t, "oauth2-proxy", command, home+"/ping", func() string { return "" })
}
