package store_test

import (
	"syscall"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/store"
	"hopnhat/store/storetest"
	"hopnhat/store/streams"
)

// BenchmarkRows reads and checks the places of a shard with their events, as reconciliation
// does: rows a second of CPU of this process, which that of PostgreSQL is no part of.
func BenchmarkRows(b *testing.B) {
	const origin, rows = "rows.test/1", 40_000
	for name, open := range map[string]func(testing.TB, func() time.Time) *store.DB{"SQLite": storetest.SQLite, "PostgreSQL": storetest.PostgreSQL} {
		b.Run(name, func(b *testing.B) {
			db := open(b, nil)
			keys := storetest.Rows()
			db.TrustRows(keys)
			places := map[string]uint64{}
			for n := 0; n < rows; n += 500 {
				var some []audit.Sealed
				for i := range 500 {
					e, err := release(n+i, audit.Visible).Seal(audit.NewSalt())
					if err != nil {
						b.Fatal(err)
					}
					some, places[e.Event.ID] = append(some, e), uint64(n+i)
				}
				if err := db.Record(b.Context(), some...); err != nil {
					b.Fatal(err)
				}
			}
			if err := db.NotePlaces(b.Context(), origin, places, false); err != nil {
				b.Fatal(err)
			}
			source := streams.Source{Handle: db.Handle, Seals: keys}
			read, before := 0, spent()
			for b.Loop() {
				for row, err := range source.Rows(b.Context(), origin, 0, rows) {
					if err != nil || row.Fault != "" || row.Unproven || row.Leaf == nil {
						b.Fatal(row, err)
					}
					read++
				}
			}
			b.ReportMetric(float64(read)/(spent()-before).Seconds(), "rows/CPU-s")
		})
	}
}

// spent is the CPU time of this process.
func spent() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
