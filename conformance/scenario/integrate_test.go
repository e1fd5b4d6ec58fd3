package scenario_test

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// integrateFolder holds the code that docs/integrate.md shows.
const integrateFolder = "conformance/clients/integrate"

var integrateBlock = regexp.MustCompile("(?s)<!-- ((?:" + integrateFolder + "|" + frameworksFolder + ")/\\S+) -->\n+```\\w*\n(.*?)```\n")

// unread are the files that the document does not show: nobody reads versions and hashes.
var unread = []string{"requirements.txt", "go.mod", "go.sum"}

// TestIntegrateShowsItsCode: every file of the examples is in docs/integrate.md as
// it is, and nothing else is said to be.
func TestIntegrateShowsItsCode(t *testing.T) {
	root := harness.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "integrate.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, block := range integrateBlock.FindAllStringSubmatch(string(text), -1) {
		shown[block[1]] = block[2]
	}
	compare := func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || slices.Contains(unread, entry.Name()) {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		code, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if block, there := shown[filepath.ToSlash(name)]; !there || block != string(code) {
			t.Errorf("docs/integrate.md does not show %s as it is (shown at all: %t)", name, there)
		}
		delete(shown, filepath.ToSlash(name))
		return nil
	}
	for _, folder := range []string{integrateFolder, frameworksFolder} {
		if err := filepath.WalkDir(filepath.Join(root, folder), compare); err != nil {
			t.Fatal(err)
		}
	}
	for name := range shown {
		t.Errorf("docs/integrate.md shows %s, which is not there", name)
	}
	for _, l := range examples {
		if !strings.Contains(string(text), l.line+"\n") {
			t.Errorf("docs/integrate.md does not say how %s is run: %s", l.name, l.line)
		}
	}
	for _, f := range frameworks {
		if line := "`" + strings.Join(slices.DeleteFunc(slices.Clone(f.line), func(word string) bool { return word == "-B" }), " ") +
			"`"; !strings.Contains(string(text), line) {
			t.Errorf("docs/integrate.md does not say how %s is run: %s", f.id, line)
		}
	}
}

// example is a language, and how its code is run in a folder of its own, to which its files were
// copied.
type example struct {
	name   string
	folder string
	needs  []string // programs
	line   string   // what the document says to type
	// begin prepares the folder and returns the program.
	begin func(t *testing.T, folder, port string) []string
}

var examples = []example{
	{"Go", "go", nil, "go run .", func(t *testing.T, folder, _ string) []string {
		build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", "so-tay", ".")
		build.Dir = folder
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building: %v\n%s", err, output)
		}
		return []string{"./so-tay"}
	}},
	{"Node", "node", []string{"node"}, "node app.mjs", func(t *testing.T, folder, _ string) []string {
		if err := os.Symlink(filepath.Join(harness.Root(t), "conformance", "clients", "node", "node_modules"), filepath.Join(folder, "node_modules")); err != nil {
			t.Fatal(err)
		}
		return []string{"node", "app.mjs"}
	}},
	{"PHP", "php", []string{"php"}, "PHP_CLI_SERVER_WORKERS=4 php -S localhost:8500 app.php", func(_ *testing.T, _, port string) []string {
		return []string{"php", "-S", "localhost:" + port, "app.php"}
	}},
	{"Java", "java", []string{"java", "javac", "mvn"}, "mvn -q compile exec:java", func(*testing.T, string, string) []string {
		return []string{"mvn", "-q", "-B", "compile", "exec:java"}
	}},
}

// unreachable is what a program prints whose libraries cannot be fetched.
var unreachable = regexp.MustCompile(`Could not transfer|[Cc]ould not be resolved|Unknown host`)

// TestIntegrate: the examples of docs/integrate.md, each with the registration that
// the document shows: a person signs in, her name and one record arrive, she signs
// out; another does not agree. A language that the machine does not have is named.
func TestIntegrate(t *testing.T) {
	n := begin(t, usual())
	registration, err := os.ReadFile(filepath.Join(harness.Root(t), integrateFolder, "app.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range examples {
		t.Run(l.name, func(t *testing.T) {
			for _, program := range l.needs {
				if _, err := exec.LookPath(program); err != nil {
					t.Logf("%s: no %s here, so the example was compared with the document and not run", l.name, program)
					return
				}
			}
			port := strconv.Itoa(harness.Port(t, 1))
			folder := t.TempDir()
			// An app of its own for each: the server knows a registration for a while.
			own := func(text []byte) []byte {
				return bytes.ReplaceAll(text, []byte("so-tay-cua-toi"), []byte("so-tay-"+l.folder))
			}
			copyInto(t, folder, filepath.Join(harness.Root(t), integrateFolder, l.folder), own)
			program := l.begin(t, folder, port)
			file := filepath.Join(t.TempDir(), "app.yaml")
			if err := os.WriteFile(file, own(bytes.ReplaceAll(registration, []byte("8500"), []byte(port))), 0o600); err != nil {
				t.Fatal(err)
			}
			n.run(t, "client", "add", file)
			home := "http://localhost:" + port
			printed := serve(t, folder, home, []string{"ISSUER=" + n.base, "PORT=" + port, "PHP_CLI_SERVER_WORKERS=4", mavenCache(harness.Root(t))}, program)
			switch {
			case printed == "":
				n.integrate(t, home)
			case unreachable.MatchString(printed):
				t.Logf("%s: its libraries cannot be fetched here, so the example was compared with the document and not run", l.name)
			default:
				t.Fatalf("it ended before it answered:\n%s", printed)
			}
		})
	}
}

// copyInto copies a folder's files, each changed.
func copyInto(t *testing.T, to, from string, change func([]byte) []byte) {
	t.Helper()
	err := filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), change(text), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// integrate plays two persons at an example.
func (n *nation) integrate(t *testing.T, home string) {
	who, b := n.someone(t), browser(t)
	callback, err := clients.SignIn(ctx(t), b, home+"/login", home+"/callback", who.atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	status, text, _ := visit(t, b, callback.String())
	if status != http.StatusOK || !regexp.MustCompile(`<p>Xin chào \p{L}[^<]* \p{L}[^<]*, \d{4}`).MatchString(text) ||
		!strings.Contains(text, "civil.marital_status") {
		t.Errorf("after the sign-in the app says %d: %s", status, text)
	}
	if strings.Contains(text, who.Number) {
		t.Error("the app knows the personal number")
	}
	_, _, away := visit(t, b, home+"/logout")
	if away == nil || !strings.HasPrefix(away.String(), n.base+"/logout?") {
		t.Fatalf("signing out leads to %v", away)
	}
	if _, text, back := visit(t, b, away.String()); back == nil || back.String() != home+"/" {
		t.Fatalf("the provider's sign-out leads to %v: %s", back, text)
	}
	if _, text, _ := visit(t, b, home+"/"); !strings.Contains(text, `href="/login"`) {
		t.Errorf("after the sign-out the app says %s", text)
	}

	// RFC 9700 §4.7: an answer is good in the browser that asked, once.
	if status, text, _ := visit(t, browser(t), callback.String()); status < 400 || strings.Contains(text, "Xin chào") {
		t.Errorf("another browser with the answer: %d %s", status, text)
	}
	other, b := n.someone(t), browser(t)
	declining := other.atTheBrowser()
	declining.Decline = true
	if callback, err = clients.SignIn(ctx(t), b, home+"/login", home+"/callback", declining); err != nil {
		t.Fatal(err)
	}
	if status, text, _ := visit(t, b, callback.String()); status < 400 || !strings.Contains(text, "access_denied") {
		t.Errorf("who does not agree reads %d: %s", status, text)
	}
}

// serve starts a program in a folder and waits until it answers; it ends with the
// test, and all that it started too. What it printed is the result if it ended
// before.
func serve(t *testing.T, folder, home string, env, program []string) (printed string) {
	t.Helper()
	command := exec.Command(program[0], program[1:]...)
	command.Dir, command.Env = folder, append(os.Environ(), env...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = command.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		<-exited
		if t.Failed() {
			t.Logf("%s printed:\n%s", slices.Concat(program), output.String())
		}
	})
	again, over := time.NewTicker(50*time.Millisecond), time.After(2*time.Minute)
	defer again.Stop()
	for {
		response, err := http.Get(home + "/jwks.json")
		if err == nil {
			response.Body.Close()
			return ""
		}
		select {
		case <-exited:
			return "exit: " + output.String()
		case <-over:
			t.Fatalf("no answer within two minutes: %v", err)
		case <-again.C:
		}
	}
}
