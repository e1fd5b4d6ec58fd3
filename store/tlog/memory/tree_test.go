package memory

import (
	"errors"
	"fmt"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"pgregory.net/rapid"

	"hopnhat/authz/audit/proof"
)

func leaves(from, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = rfc6962.DefaultHasher.HashLeaf(fmt.Append(nil, "leaf ", from+i))
	}
	return out
}

// tree is the tree of some leaves as the library makes it.
func tree(all [][]byte) *compact.Range {
	r := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for _, l := range all {
		if err := r.Append(l, nil); err != nil {
			panic(err)
		}
	}
	return r
}

func root(all [][]byte) proof.Hash {
	if len(all) == 0 {
		return proof.Hash(rfc6962.DefaultHasher.EmptyRoot())
	}
	h, err := tree(all).GetRootHash(nil)
	if err != nil {
		panic(err)
	}
	return proof.Hash(h)
}

func started(t interface{ Fatal(...any) }, all [][]byte) *Tree {
	m, err := New(uint64(len(all)), tree(all).Hashes())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestWhatIsHeld: of trees on the disk only those are held that the writer made.
func TestWhatIsHeld(t *testing.T) {
	disk := leaves(0, 10)
	given := leaves(10, 4)
	all := append(disk[:10:10], given...)
	other := append(disk[:9:9], leaves(99, 5)...)
	for _, row := range []struct {
		name string
		tree [][]byte
		want error
	}{
		{"the tree of the start", disk, nil},
		{"with some of what was handed over", all[:12], nil},
		{"with all of it", all, nil},
		{"with more", append(all[:14:14], leaves(14, 1)...), ErrForeign},
		{"another tree as large", other[:10], ErrForeign},
		{"another tree that is larger", other, ErrForeign},
		{"handed over in another order", append(disk[:10:10], given[1], given[0]), ErrForeign},
		{"fewer entries than at the start", disk[:9], ErrPast},
		{"nothing", nil, ErrPast},
	} {
		m := started(t, disk)
		m.Give(given)
		if err := m.Holds(uint64(len(row.tree)), root(row.tree)); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, err, row.want)
		}
	}
}

// TestWhatIsSettled: what the disk shows after a group counts if the group explains it.
func TestWhatIsSettled(t *testing.T) {
	disk, given := leaves(0, 10), leaves(10, 4)
	with := func(of ...int) (all [][]byte) {
		all = append(all, disk...)
		for _, i := range of {
			all = append(all, given[i])
		}
		return all
	}
	for _, row := range []struct {
		name   string
		tree   [][]byte
		placed map[int]uint64
		want   error
	}{
		{"all were written", with(0, 1, 2, 3), map[int]uint64{0: 10, 1: 11, 2: 12, 3: 13}, nil},
		{"none was written", with(), nil, nil},
		{"the first two, of which nothing was told", with(0, 1), nil, nil},
		{"the last two alone", with(2, 3), map[int]uint64{2: 10, 3: 11}, nil},
		{"the last two, and one before of which nothing was told", with(0, 2, 3), map[int]uint64{2: 11, 3: 12}, nil},
		{"a place before those that were given", with(0, 1, 2, 3), map[int]uint64{0: 9}, ErrForeign},
		{"a place beyond the tree", with(0, 1), map[int]uint64{0: 12}, ErrForeign},
		{"a place twice", with(0, 1, 2, 3), map[int]uint64{0: 10, 1: 10}, ErrForeign},
		{"an entry of nobody", append(with(0, 1, 2), leaves(50, 1)...), map[int]uint64{0: 10, 1: 11, 2: 12}, ErrForeign},
		{"more than were given", append(with(0, 1, 2, 3), leaves(50, 1)...), nil, ErrForeign},
		{"fewer than before", disk[:9], nil, ErrForeign},
		{"another tree as large", append(leaves(40, 1), disk[1:]...), nil, ErrForeign},
	} {
		m := started(t, disk)
		m.Give(given)
		if err := m.Settle(uint64(len(row.tree)), root(row.tree), row.placed); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, err, row.want)
		}
		size, head := m.Head()
		want := disk
		if row.want == nil {
			want = row.tree
		}
		if size != uint64(len(want)) || head != root(want) || m.Open() != (row.want != nil) {
			t.Errorf("%s: it has %d entries, open %v", row.name, size, m.Open())
		}
	}
}

// TestMemoryIsTheTree: however groups come, and whatever of them is written, the tree in memory
// is that of the leaves that were written, and one bit of a root is seen.
func TestMemoryIsTheTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := leaves(0, rapid.IntRange(0, 700).Draw(t, "start"))
		m := started(t, all)
		for next := 1000; next < 1000*(1+rapid.IntRange(1, 5).Draw(t, "groups")); next += 1000 {
			group := leaves(next, rapid.IntRange(1, 300).Draw(t, "group"))
			m.Give(group)
			written := rapid.IntRange(0, len(group)).Draw(t, "written")
			before := all
			all = append(all[:len(all):len(all)], group[:written]...)
			if err := m.Holds(uint64(len(all)), root(all)); err != nil {
				t.Fatal(err)
			}
			placed := map[int]uint64{}
			for i := range written {
				if rapid.Bool().Draw(t, "told") {
					placed[i] = uint64(len(before) + i)
				}
			}
			bent := root(all)
			bent[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
			if err := m.Settle(uint64(len(all)), bent, placed); !errors.Is(err, ErrForeign) {
				t.Fatalf("a bent root is settled: %v", err)
			}
			if err := m.Settle(uint64(len(all)), root(all), placed); err != nil {
				t.Fatal(err)
			}
			if err := m.Holds(uint64(len(before)), root(before)); err != nil {
				t.Fatalf("the tree of a group ago: %v", err)
			}
		}
		if size, head := m.Head(); size != uint64(len(all)) || head != root(all) {
			t.Fatalf("it has %d entries of %d", size, len(all))
		}
	})
}
