package clients

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Debian's places.
const (
	apacheProgram = "/usr/sbin/apache2"
	apacheModules = "/usr/lib/apache2/modules"
	nobody        = 65534
)

// Apache is Debian's Apache with mod_auth_openidc in front of an app.
type Apache struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	// Port is the one that it listens at, on loopback.
	Port int
	// App is the base URL of the app behind it.
	App string
	// Config is the file of its configuration.
	Config string
}

// Start starts it and waits until it answers; it ends with the test. It never runs
// as root: where the test does, it runs as nobody.
func (a Apache) Start(t testing.TB) {
	t.Helper()
	for _, file := range []string{apacheProgram, apacheModules + "/mod_auth_openidc.so"} {
		if _, err := os.Stat(file); err != nil {
			t.Fatalf("%s is not there: run the tests with `make test`, which installs it from Debian", file)
		}
	}
	// Not t.TempDir: nobody could not get into it.
	folder, err := os.MkdirTemp("", "hopnhat-apache-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	text, err := os.ReadFile(a.Config)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(folder, "httpd.conf")
	if err := os.WriteFile(config, text, 0o644); err != nil {
		t.Fatal(err)
	}
	var passphrase [16]byte
	if _, err := rand.Read(passphrase[:]); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(apacheProgram, "-d", folder, "-f", config, "-D", "FOREGROUND")
	command.Dir = folder
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "FOLDER=" + folder, "PORT=" + strconv.Itoa(a.Port), "MODULES=" + apacheModules, "APP=" + a.App,
		"ISSUER=" + a.Issuer, "CLIENT_ID=" + a.ClientID, "CLIENT_SECRET=" + a.ClientSecret, "PASSPHRASE=" + hex.EncodeToString(passphrase[:]),
	}
	if os.Geteuid() == 0 {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := os.Chown(folder, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "Apache", command, fmt.Sprintf("http://localhost:%d/signed-out", a.Port), func() string {
		text, _ := os.ReadFile(filepath.Join(folder, "error.log"))
		return string(text)
	})
}
