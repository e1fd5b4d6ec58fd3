package copies

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

func one(index uint64, text string) Record {
	return Record{Index: index, Leaf: [32]byte{byte(index), byte(index >> 8)}, Copy: []byte(text)}
}

// path is that of the first file.
func path(f Folder) string { return filepath.Join(filepath.Dir(string(f)), Name(0)) }

// TestWhatIsWrittenIsRead: in whatever groups, over the borders of files, and after the writer
// was opened again.
func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "copies")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		f := Of(dir)
		next := Range - uint64(rapid.IntRange(1, 20).Draw(t, "before the border"))
		first := next
		for range rapid.IntRange(1, 5).Draw(t, "groups") {
			w, _, err := Open(f, next)
			if err != nil {
				t.Fatal(err)
			}
			var group []Record
			for range rapid.IntRange(1, 15).Draw(t, "records") {
				group = append(group, one(next, rapid.StringN(1, 50, 200).Draw(t, "copy")))
				next++
			}
			if err := errors.Join(w.Write(group), w.Close()); err != nil {
				t.Fatal(err)
			}
		}
		for index := first; index < next; index++ {
			found, err := f.Read(index / Range)
			if err != nil || found[index].Index != index || len(found[index].Copy) == 0 {
				t.Fatalf("at place %d is %v, %v", index, found[index], err)
			}
		}
	})
}

// TestACrash: whatever part of the last write came to the disk, the copies before it are read,
// what is missing is said, and the next are added behind them.
func TestACrash(t *testing.T) {
	f := Of(t.TempDir())
	w, _, err := Open(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write([]Record{one(0, "first"), one(1, "second")}), w.Close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path(f))
	if err != nil {
		t.Fatal(err)
	}
	for length := len(whole) / 2; length < len(whole); length++ {
		if err := os.WriteFile(path(f), whole[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		w, missing, err := Open(f, 2)
		if err != nil || len(missing) != 1 || missing[0] != 1 {
			t.Fatalf("of %d bytes: %v are missing, %v", length, missing, err)
		}
		if err := errors.Join(w.Write([]Record{one(1, "again"), one(2, "third")}), w.Close()); err != nil {
			t.Fatal(err)
		}
		found, err := f.Read(0)
		if err != nil || string(found[0].Copy) != "first" || string(found[1].Copy) != "again" || string(found[2].Copy) != "third" {
			t.Fatalf("of %d bytes: %v, %v", length, found, err)
		}
	}
}

// TestWrittenAhead: what is written before its places are given is taken back, and what a crash
// leaves of it is taken away when the writer is opened again, over the border of a file too.
func TestWrittenAhead(t *testing.T) {
	const first = Range - 1
	f := Of(t.TempDir())
	w, _, err := Open(f, first)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]Record{one(first, "given")}); err != nil {
		t.Fatal(err)
	}
	three := []Record{one(first, "again"), one(Range, "over"), one(Range+1, "over")}
	back, err := w.Ahead(three)
	if err := errors.Join(err, back()); err != nil {
		t.Fatal(err)
	}
	holds := func(want int) {
		t.Helper()
		here, err1 := f.Read(0)
		next, err2 := f.Read(1)
		if err := errors.Join(err1, err2); err != nil || len(here)+len(next) != want || string(here[first].Copy) != "given" {
			t.Fatalf("there are %v and %v, %v", here, next, err)
		}
	}
	holds(1)
	if _, err := w.Ahead(three[1:]); err != nil {
		t.Fatal(err)
	}
	holds(3)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, missing, err := Open(f, Range); err != nil || len(missing) != Range-1 {
		t.Fatalf("%d are missing, %v", len(missing), err)
	}
	holds(1)
}

// TestNoOtherFileIsTouched: a link, a second name, a pipe, what is no file of copies, and what is
// far too large: the writer does not open, nothing is erased, and the other file is as it was.
// What can be replaced is, when the copies are mended.
func TestNoOtherFileIsTouched(t *testing.T) {
	other := []byte("SQLite format 3\x00 and all the rows")
	for name, put := range map[string]func(victim, path string) error{
		"a link":             os.Symlink,
		"a second name":      os.Link,
		"a folder as a link": func(victim, path string) error { return os.Symlink(filepath.Dir(victim), path) },
		"a pipe":             func(_, path string) error { return syscall.Mkfifo(path, 0o600) },
		"no file of copies":  func(_, path string) error { return os.WriteFile(path, other, 0o600) },
		"larger than any one": func(_, path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 200<<30))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			victim := filepath.Join(dir, "database.db")
			f := Of(filepath.Join(dir, "shard"))
			err := errors.Join(os.WriteFile(victim, other, 0o600), os.MkdirAll(filepath.Dir(path(f)), 0o700), put(victim, path(f)))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := Open(f, 10); !errors.Is(err, ErrDamaged) {
				t.Errorf("the writer opens: %v", err)
			}
			if _, err := f.Read(0); !errors.Is(err, ErrDamaged) {
				t.Errorf("it is read: %v", err)
			}
			if was, err := f.Erase(0, [32]byte{}); was || err == nil {
				t.Errorf("it is erased: %v, %v", was, err)
			}
			if err := f.Write(0, map[uint64]Record{0: one(0, "new")}); err != nil {
				t.Fatal(err)
			}
			if found, err := f.Read(0); err != nil || len(found) != 1 {
				t.Errorf("it is not replaced: %v, %v", found, err)
			}
			if raw, err := os.ReadFile(victim); err != nil || !bytes.Equal(raw, other) {
				t.Errorf("the other file is %q, %v", raw, err)
			}
		})
	}
}

// TestAWriteThatWasCutOff: at whatever point a crash stops it, the file is the old or the new
// one when it is settled, and no third one remains.
func TestAWriteThatWasCutOff(t *testing.T) {
	old, next := map[uint64]Record{0: one(0, "old")}, map[uint64]Record{0: one(0, "new"), 1: one(1, "more")}
	var made []byte
	for i := range uint64(2) {
		made = next[i].append(made)
	}
	for name, row := range map[string]struct {
		fresh []byte
		zeros bool
		want  string
	}{
		"while the new one is written": {made[:20], false, "old"},
		"before the old one is gone":   {made, false, "old"},
		"after the old one is gone":    {made, true, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			f := Of(t.TempDir())
			if err := f.Write(0, old); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path(f)+fresh, row.fresh, 0o600); err != nil {
				t.Fatal(err)
			}
			if row.zeros {
				if err := os.WriteFile(path(f), make([]byte, 60), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w, _, err := Open(f, 2)
			if err != nil {
				t.Fatal(err)
			}
			if found, err := w.Read(0); err != nil || string(found[0].Copy) != row.want {
				t.Errorf("the file is %v, %v", found, err)
			}
			if _, err := os.Stat(path(f) + fresh); err == nil {
				t.Error("the new file remains")
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if err := w.Write([]Record{one(1, "late")}); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("a writer that was closed writes: %v", err)
			}
		})
	}
}

// TestDamageHidesNoOther: a bit that flips in a copy is told of, the copies behind it are read,
// and what is erased is not said to be so while a part of the file is not seen.
func TestDamageHidesNoOther(t *testing.T) {
	f := Of(t.TempDir())
	records := map[uint64]Record{0: one(0, "first"), 1: one(1, "second"), 2: one(2, "third")}
	if err := f.Write(0, records); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path(f))
	if err != nil {
		t.Fatal(err)
	}
	raw[bytes.Index(raw, []byte("second"))] ^= 1
	if err := os.WriteFile(path(f), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := f.Read(0)
	if !errors.Is(err, ErrDamaged) || len(found) != 2 || string(found[2].Copy) != "third" {
		t.Errorf("read %v, %v", found, err)
	}
	if _, missing, err := Open(f, 3); err != nil || len(missing) != 1 || missing[0] != 1 {
		t.Errorf("missing %v, %v", missing, err)
	}
	if was, err := f.Erase(1, records[1].Leaf); was || !errors.Is(err, ErrDamaged) {
		t.Errorf("erased: %v, %v", was, err)
	}
}

// TestErase: no byte of the copy remains, its length and the others stay, and it is erased
// once. The copy of another leaf at the place stays.
func TestErase(t *testing.T) {
	f := Of(t.TempDir())
	w, _, err := Open(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	all := []Record{one(0, "first"), one(1, "second"), one(2, "third")}
	if err := w.Write(all); err != nil {
		t.Fatal(err)
	}
	if was, err := w.Erase(1, all[0].Leaf); err != nil || !was {
		t.Errorf("the leaf stands in the file: %v, %v", was, err)
	}
	if was, err := w.Erase(1, [32]byte{9}); err != nil || was {
		t.Errorf("no such leaf is there: %v, %v", was, err)
	}
	for i, want := range []bool{true, false} {
		if was, err := w.Erase(1, all[1].Leaf); err != nil || was != want {
			t.Errorf("time %d: %v, %v", i, was, err)
		}
	}
	if was, err := w.Erase(Range, all[1].Leaf); err != nil || was {
		t.Errorf("no file: %v, %v", was, err)
	}
	if err := w.Write([]Record{one(3, "fourth")}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path(f))
	if err != nil || bytes.Contains(raw, []byte("second")) || bytes.Contains(raw, []byte("first")) {
		t.Errorf("the file holds %q, %v", raw, err)
	}
	found, err := f.Read(0)
	if err != nil || len(found) != 4 || !found[1].Erased() || !found[0].Erased() ||
		string(found[2].Copy) != "third" || string(found[3].Copy) != "fourth" {
		t.Errorf("read %v, %v", found, err)
	}
	if err := f.Write(0, found); err != nil {
		t.Fatal(err)
	}
	if again, err := f.Read(0); err != nil || len(again) != 4 || !again[1].Erased() {
		t.Errorf("made anew: %v, %v", again, err)
	}
}

// FuzzParse: what is read is written again as it was, whatever stands in a file.
func FuzzParse(f *testing.F) {
	f.Add(one(1, "a copy").append(nil))
	f.Add(record(one(7, "x").append(nil), 2, [32]byte{1}, erased, make([]byte, 9)))
	f.Add([]byte{0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, framed, err := parse(raw)
		if framed > int64(len(raw)) || err == nil && framed != int64(len(raw)) {
			t.Fatalf("%d of %d bytes, %v", framed, len(raw), err)
		}
		for _, p := range all {
			sealed, kind := p.Copy, byte(live)
			if p.Erased() {
				sealed, kind = make([]byte, p.length-before-fixed), erased
			}
			if again := record(nil, p.Index, p.Leaf, kind, sealed); !bytes.Equal(again, raw[p.at:p.at+p.length]) {
				t.Fatalf("%x is read of %x", again, raw[p.at:p.at+p.length])
			}
		}
	})
}

// TestAGapIsGivenUp: what has no row is looked for a while and then no more; what was filled is
// none, and a place that is added again keeps its count.
func TestAGapIsGivenUp(t *testing.T) {
	var g Gaps
	g.Add(1, 2, 3)
	g.Fill(2)
	for n := range patience {
		if !g.Has(1) || g.Has(2) || len(g.List()) != 2 {
			t.Fatalf("after %d looks there are %v", n, g.List())
		}
		g.Add(1)
		g.Miss(1)
	}
	if g.Has(1) || !g.Has(3) {
		t.Errorf("at the end there are %v", g.List())
	}
}
