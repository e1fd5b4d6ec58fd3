package reader

import (
	"testing"
	"time"

	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func TestTokens(t *testing.T) {
	tokens := New(keytest.GoldenKey(seal.LogReaders))
	token, err := tokens.Make("auditor-1", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, token string
		at          time.Time
		ok          bool
	}{
		{"good", token, now, true},
		{"in its last second", token, now.Add(time.Hour - time.Second), true},
		{"ended", token, now.Add(time.Hour), false},
		{"without its prefix", token[4:], now, false},
		{"cut", token[:len(token)-1], now, false},
		{"another prefix", "hna." + token[4:], now, false},
		{"nothing", "", now, false},
		{"its prefix alone", "hnl.", now, false},
	} {
		if who, ok := tokens.Auditor(row.token, row.at); ok != row.ok || ok && who != "auditor-1" {
			t.Errorf("%s: %q, %v", row.name, who, ok)
		}
	}
	if other, err := New(seal.New(seal.LogReaders, make([]byte, 32))).Make("auditor-1", now, time.Hour); err != nil {
		t.Error(err)
	} else if _, ok := tokens.Auditor(other, now); ok {
		t.Error("one of another key is good")
	}
	for _, life := range []time.Duration{0, -1, MaxLife + 1} {
		if _, err := tokens.Make("auditor-1", now, life); err == nil {
			t.Errorf("made for %s", life)
		}
	}
}

func FuzzAuditor(f *testing.F) {
	tokens := New(keytest.GoldenKey(seal.LogReaders))
	good, err := tokens.Make("auditor-1", now, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("hnl.AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		if who, ok := tokens.Auditor(token, now); ok && who != "auditor-1" {
			t.Fatalf("%q is taken as %q", token, who)
		}
	})
}
