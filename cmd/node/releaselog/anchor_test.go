package releaselog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/authz/audit/proof"
)

const (
	anchorOne = "hopnhat.example/release/dc1/2026q4\n300\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— hopnhat.example/release/dc1/2026q4 AAAAAAAA\n"
	anchorTwo = "hopnhat.example/consent/dc1/2026q4\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— one AAAAAAAA\n— a.witness BBBBBBBB\n"
)

func TestReadAnchors(t *testing.T) {
	if none, err := ReadAnchors(""); err != nil || none != nil {
		t.Errorf("no file: %v, %v", none, err)
	}
	if _, err := ReadAnchors(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is no anchor")
	}
	for name, row := range map[string]struct {
		text  string
		sizes []uint64
	}{
		"one":                          {anchorOne, []uint64{300}},
		"two":                          {anchorOne + anchorTwo, []uint64{300, 7}},
		"two with empty lines between": {"\n" + anchorTwo + "\n\n" + anchorOne + "\n", []uint64{7, 300}},
		"nothing":                      {"", nil},
		"one and half of another":      {anchorOne + "hopnhat.example/release/dc1/2027q1\n3\n", nil},
		"a size that is none":          {strings.Replace(anchorOne, "300", "-3", 1), nil},
		"a root that is none":          {strings.Replace(anchorOne, "47DE", "47D", 1), nil},
	} {
		path := filepath.Join(t.TempDir(), "anchor")
		if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadAnchors(path)
		if (err == nil) != (row.sizes != nil) || len(got) != len(row.sizes) {
			t.Errorf("%s: %v, %v", name, got, err)
			continue
		}
		for i, c := range got {
			if c.Size != row.sizes[i] {
				t.Errorf("%s: checkpoint %d has %d entries", name, i, c.Size)
			}
		}
	}
}

func FuzzAnchors(f *testing.F) {
	f.Add([]byte(anchorOne + "\n" + anchorTwo))
	f.Add([]byte("— \n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, err := parseAnchors(raw)
		if err != nil {
			return
		}
		var none proof.Checkpoint
		for _, c := range all {
			if c == none || !strings.Contains(string(raw), c.Origin) {
				t.Errorf("%q has the anchor %+v", raw, c)
			}
		}
	})
}
