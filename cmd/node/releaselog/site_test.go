package releaselog

import (
	"errors"
	"testing"
	"time"

	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestWhoHasTheSite: a node whose site another one took says so before an entry is
// acknowledged, unless it showed itself just now: then no other can have it yet. How long
// ago that was is not known where the clock was put back.
func TestWhoHasTheSite(t *testing.T) {
	db := storetest.SQLite(t, nil)
	if err := db.TakeSite(t.Context(), "dc1", store.Node{Place: "other:/state", Folder: "o", Run: "1"}); err != nil {
		t.Fatal(err)
	}
	l := &Log{o: Options{Site: "dc1", Sites: db.Sites}, self: store.Node{Place: "this:/state", Folder: "t", Run: "1"}}
	for _, row := range []struct {
		name string
		ago  time.Duration
		want error
	}{
		{"shown just now", 0, nil},
		{"shown half a lease ago", store.SiteLease / 2, store.ErrSiteTaken},
		{"shown an hour ahead, by a clock that was put back since", -time.Hour, store.ErrSiteTaken},
	} {
		l.seen.Store(time.Now().Add(-row.ago).UnixNano())
		if err := l.holdsSite(); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}
