package scenario_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// frameworksFolder holds an app for each of the frameworks that docs/integrate.md says
// what to set in.
const frameworksFolder = "conformance/clients/frameworks"

// framework is an app as its users write it, of profile oidc with a secret: no more is
// set than it takes.
type framework struct {
	id       string // of apps.yaml
	callback string // its path
	needs    []string
	folder   string
	// line starts it, in the folder that holds a copy of its own.
	line []string
	// begin brings the browser to where a sign-in begins.
	begin func(t *testing.T, b *http.Client, home string) string
}

func link(path string) func(*testing.T, *http.Client, string) string {
	return func(_ *testing.T, _ *http.Client, home string) string { return home + path }
}

var frameworks = []framework{
	{"so-tay-spring", "/login/oauth2/code/hopnhat", []string{"mvn", "javac"}, "spring", []string{"mvn", "-q", "-B", "spring-boot:run"}, link("/")},
	{"so-tay-authlib", "/callback", []string{"python3"}, "python", []string{"python3", "authlib_app.py"}, link("/login")},
	{"so-tay-django", "/oidc/callback/", []string{"python3"}, "python", []string{"python3", "django_app.py"}, link("/oidc/authenticate/")},
	{"so-tay-passport", "/callback", []string{"node"}, "node", []string{"node", "passport.mjs"}, link("/login")},
	{"so-tay-authjs", "/auth/callback/hopnhat", []string{"node"}, "node", []string{"node", "authjs.mjs"}, authJS},
}

var csrfToken = regexp.MustCompile(`name="csrfToken" value="([^"]+)"`)

// authJS presses the one button of the page on which Auth.js lets people choose.
func authJS(t *testing.T, b *http.Client, home string) string {
	t.Helper()
	_, text, _ := visit(t, b, home+"/auth/signin")
	token := csrfToken.FindStringSubmatch(text)
	if token == nil {
		t.Fatalf("its page has no button: %s", text)
	}
	response, err := b.PostForm(home+"/auth/signin/hopnhat", url.Values{"csrfToken": {token[1]}})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	to, err := response.Location()
	if err != nil {
		text, _ := io.ReadAll(response.Body)
		t.Fatalf("the button leads nowhere: %d %s", response.StatusCode, text)
	}
	return to.String()
}

// TestFrameworks: the apps that docs/integrate.md shows for frameworks, with the real
// packages: a person signs in and is greeted by name; another does not agree, and is not
// signed in. A framework that the machine cannot run is named.
func TestFrameworks(t *testing.T) {
	t.Parallel()
	n, root := begin(t, ""), harness.Root(t)
	port := fmt.Sprint(harness.Port(t, 1))
	text, err := os.ReadFile(filepath.Join(root, frameworksFolder, "apps.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "apps.yaml")
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte("8500"), []byte(port)), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{}
	for _, found := range regexp.MustCompile(`(\S+) registered, profile oidc\s+client_secret: (\S+)`).FindAllStringSubmatch(
		n.run(t, "client", "add", file), -1,
	) {
		secrets[found[1]] = found[2]
	}
	for _, f := range frameworks {
		t.Run(f.id, func(t *testing.T) {
			for _, program := range f.needs {
				if _, err := exec.LookPath(program); err != nil {
					t.Logf("%s: no %s here, so the app was compared with the document and not run", f.id, program)
					return
				}
			}
			folder, home := t.TempDir(), "http://localhost:"+port
			copyInto(t, folder, filepath.Join(root, frameworksFolder, f.folder), func(text []byte) []byte { return text })
			program := append([]string{}, f.line...)
			env := []string{"ISSUER=" + n.base, "PORT=" + port, "CLIENT_SECRET=" + secrets[f.id], "NO_PROXY=localhost", mavenCache(root)}
			switch f.folder {
			case "python":
				if output, err := exec.CommandContext(
					t.Context(), "bash", filepath.Join(root, "conformance", "harness", "python.sh"),
				).CombinedOutput(); err != nil {
					t.Fatalf("its packages: %v\n%s", err, output)
				}
				program[0] = filepath.Join(root, ".build", "python", "bin", "python")
			case "node":
				if exec.CommandContext(t.Context(), "node", "-e", "process.exit(globalThis.crypto ? 0 : 1)").Run() != nil {
					env = append(env, "NODE_OPTIONS=--experimental-global-webcrypto") // Node 18
				}
				if err := os.Symlink(
					filepath.Join(root, "conformance", "clients", "node", "node_modules"), filepath.Join(folder, "node_modules"),
				); err != nil {
					t.Fatal(err)
				}
			}
			if printed := serve(t, folder, home, env, program); unreachable.MatchString(printed) {
				t.Logf("%s: its libraries cannot be fetched here, so the app was compared with the document and not run", f.id)
				return
			} else if printed != "" {
				t.Fatalf("it ended before it answered:\n%s", printed)
			}
			n.greeted(t, f, home)
		})
	}
}

// greeted plays two persons at an app.
func (n *nation) greeted(t *testing.T, f framework, home string) {
	t.Helper()
	arrive := func(person clients.Person) (string, *http.Client) {
		b := browser(t)
		callback, err := clients.SignIn(ctx(t), b, f.begin(t, b, home), home+f.callback, person)
		if err != nil {
			t.Fatal(err)
		}
		to := callback.String()
		for range 5 {
			_, text, away := visit(t, b, to)
			if away == nil {
				return text, b
			}
			to = away.String()
		}
		t.Fatal("no end after five steps")
		return "", nil
	}
	greeting := regexp.MustCompile(`Xin chào \p{L}[^<&]* \p{L}`)
	who := n.someone(t)
	text, b := arrive(who.atTheBrowser())
	if !greeting.MatchString(text) || strings.Contains(text, who.Number) {
		t.Errorf("after the sign-in it says: %s", text)
	}
	if _, text, _ := visit(t, b, home+"/"); !greeting.MatchString(text) {
		t.Errorf("the next page says: %s", text)
	}
	declining := n.someone(t).atTheBrowser()
	declining.Decline = true
	if text, _ := arrive(declining); strings.Contains(text, "Xin chào") {
		t.Errorf("who did not agree is signed in: %s", text)
	}
}

// mavenCache keeps what Maven fetches in the repository.
func mavenCache(root string) string {
	return "MAVEN_OPTS=-Dmaven.repo.local=" + filepath.Join(root, ".build", "maven")
}
