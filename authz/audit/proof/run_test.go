package proof_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/verifier"
)

func TestRun(t *testing.T) {
	s := proof.NewSamples(t)
	dir := t.TempDir()
	write := func(name string, raw []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := s.File
	changed := bytes.Replace(good, []byte("index 3"), []byte("index 2"), 1)
	lone := write("lone/release.proof", good)
	beside := write("beside/release.proof", good)
	write("beside/log.vkey", []byte("# khóa của nhật ký\n"+s.Key+"\n"))
	write("state/log.vkey", []byte(s.Key+"\n"))
	t.Chdir(dir)
	damaged := write("beside/damaged.proof", changed)
	key := write("keys/log.vkey", []byte(s.Key+"\n"))
	wrong := write("keys/wrong.vkey", []byte(s.OtherKey))
	empty := write("keys/empty.vkey", nil)
	export := write("beside/export.txt", s.Export)
	for _, row := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"a key that lies beside the proof is not given", []string{beside}, verifier.ExitNotPinned, "KEY NOT PINNED"},
		{"nor one in the state folder", []string{"--lang", "en", lone}, verifier.ExitNotPinned, "KEY NOT PINNED"},
		{"the fingerprint of a key that was not given", []string{lone}, verifier.ExitNotPinned, verifier.Fingerprint(s.Key)},
		{"the fingerprint of a key that was given", []string{"--log-key", key, lone}, verifier.ExitGreen, verifier.Fingerprint(s.Key)},
		{"in English", []string{"--lang", "en", "--log-key", key, beside}, verifier.ExitGreen, "GREEN"},
		{"an export", []string{"--lang", "en", "--log-key", key, export}, verifier.ExitGreen, "entries not shown"},
		{"an export without a key", []string{"--lang", "en", export}, verifier.ExitNotPinned, "KEY NOT PINNED"},
		{"key file given", []string{"--log-key", key, lone}, verifier.ExitGreen, "Đà Nẵng"},
		{"key given", []string{"--log-key", s.Key, lone}, verifier.ExitGreen, "XANH"},
		{"no key", []string{lone}, verifier.ExitNotPinned, "KEY NOT PINNED"},
		{"another key", []string{"--log-key", wrong, lone}, verifier.ExitRed, "ĐỎ"},
		{"changed", []string{damaged}, verifier.ExitRed, "không dẫn tới gốc"},
		{"changed, no key", []string{"--lang", "en", write("lone/damaged.proof", changed)}, verifier.ExitRed, "RED"},
		{"an empty key file", []string{"--log-key", empty, lone}, verifier.ExitUsage, "holds no key"},
		{"a key that is none", []string{"--log-key", "nonsense", lone}, verifier.ExitUsage, "nonsense"},
		{"no file", []string{filepath.Join(dir, "none")}, verifier.ExitUsage, "no such file"},
		{"nothing", nil, verifier.ExitUsage, "Example:"},
		{"two files", []string{lone, lone}, verifier.ExitUsage, "Example:"},
		{"a language of nobody", []string{"--lang", "fr", lone}, verifier.ExitUsage, "Example:"},
		{"an unknown flag", []string{"--fast", lone}, verifier.ExitUsage, "fast"},
		{"help", []string{"--help"}, verifier.ExitGreen, "Example:"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out, errOut strings.Builder
			code := verifier.Run("hopnhat-verify", row.args, &out, &errOut)
			if said := out.String() + errOut.String(); code != row.code || !strings.Contains(said, row.says) {
				t.Fatalf("exit %d, want %d with %q\n%s", code, row.code, row.says, said)
			}
			if strings.Contains(out.String(), "\x1b") {
				t.Error("coloured, though not on a terminal")
			}
		})
	}
}

// TestAnotherFileIsRedAndSaidToBeNone: a file that was taken for a proof, or whose
// first line was changed, proves nothing; the reader is told to look again.
func TestAnotherFileIsRedAndSaidToBeNone(t *testing.T) {
	for name, raw := range map[string]string{
		"empty": "", "text": "hello\n", "a picture": "\x89PNG\r\n\x1a\n\x00\x00", "a page": "<!doctype html><title>503</title>", "a later form": "hopnhat-proof@v3\n", "no line end": "hopnhat-proof@v1",
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		for lang, want := range map[string]string{"vi": "ĐỎ: tệp này không phải là bằng chứng", "en": "RED: this file is no proof"} {
			var out strings.Builder
			if code := verifier.Run("verify", []string{"--lang", lang, path}, &out, &out); code != verifier.ExitRed || !strings.Contains(out.String(), want) || strings.Contains(out.String(), "does NOT match") {
				t.Errorf("%s: code %d, want %d and %q in:\n%s", name, code, verifier.ExitRed, want, &out)
			}
		}
	}
}

// TestTheVerifierSaysOnWhatAReleaseRests in both languages, and which key it misses.
func TestTheVerifierSaysOnWhatAReleaseRests(t *testing.T) {
	s := proof.NewSamples(t)
	for _, row := range []struct {
		file []byte
		lang string
		code int
		says []string
	}{
		{s.OnConsent, "vi", verifier.ExitGreen, []string{"sự đồng ý đã cho lúc 22/11/2026 14:48:02", "Đã đồng ý", "Dữ liệu đã được cung cấp", "XANH"}},
		{s.OnConsent, "en", verifier.ExitGreen, []string{"on the consent given on 22/11/2026 14:48:02", "Consent was given", "Data were released", "GREEN"}},
		{s.OnConsentUnproved, "vi", verifier.ExitGreen, []string{"không chứng minh sự đồng ý"}},
		{s.OnConsentUnproved, "en", verifier.ExitGreen, []string{"which this file does not prove"}},
		{s.ByLaw, "vi", verifier.ExitGreen, []string{"không phải sự đồng ý"}},
		{s.ByLaw, "en", verifier.ExitGreen, []string{"on law and not on consent"}},
		{s.OnConsentOfAnotherKey, "en", verifier.ExitNotPinned, []string{"The key that was not given is that of the consent: " + s.ConsentOrigin}},
		{s.OnConsentOfAnotherKey, "vi", verifier.ExitNotPinned, []string{"Khóa chưa được đối chiếu, của sự đồng ý: " + s.ConsentOrigin}},
	} {
		path := filepath.Join(t.TempDir(), "x.proof")
		if err := os.WriteFile(path, row.file, 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errOut bytes.Buffer
		code := verifier.Run("hopnhat-verify", []string{"--log-key", s.Key, "--lang", row.lang, path}, &out, &errOut)
		for _, want := range row.says {
			if code != row.code || !strings.Contains(out.String(), want) {
				t.Errorf("%s: exit code %d, no %q in\n%s%s", row.lang, code, want, &out, &errOut)
			}
		}
	}
}

// TestFilesOfBeforeAtTheVerifier: the key that was given counts, one that lies beside does not.
func TestFilesOfBeforeAtTheVerifier(t *testing.T) {
	const folder = "../testdata/before"
	files, err := filepath.Glob(filepath.Join(folder, "*-*.*"))
	if err != nil || len(files) != 9 {
		t.Fatalf("got %v, %v", files, err)
	}
	for _, file := range files {
		for name, row := range map[string]struct {
			args []string
			code int
		}{
			"the key given":               {[]string{"--log-key", filepath.Join(folder, "log.vkey"), file}, verifier.ExitGreen},
			"the key only lies beside it": {[]string{file}, verifier.ExitNotPinned},
		} {
			if code := verifier.Run("hopnhat-verify", row.args, io.Discard, io.Discard); code != row.code {
				t.Errorf("%s: %s: exit code %d, want %d", filepath.Base(file), name, code, row.code)
			}
		}
	}
}
