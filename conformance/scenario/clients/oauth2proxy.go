package clients

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
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
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatalf("starting oauth2-proxy: %v", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = command.Wait() // its log says why
	}()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		<-exited
		if t.Failed() {
			t.Logf("oauth2-proxy's log:\n%s", output.String())
		}
	})
	if err := ready(home+"/ping", exited); err != nil {
		t.Fatalf("oauth2-proxy: %v", err)
	}
}

// ready asks until an address answers.
func ready(address string, exited <-chan struct{}) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	over := time.After(time.Minute)
	for {
		response, err := http.Get(address)
		if err == nil {
			response.Body.Close()
			return nil
		}
		select {
		case <-exited:
			return errors.New("it ended before it was ready")
		case <-over:
			return fmt.Errorf("it is not ready within a minute: %w", err)
		case <-again.C:
		}
	}
}
