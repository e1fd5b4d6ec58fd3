package store_test

import (
	"testing"
	"time"

	"hopnhat/keys/keytest"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

func TestKeyBook(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) { keytest.RunLedger(t, db) })
}

func TestPurgingTheKeyBookLeavesTheVersions(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		keytest.RunLedger(t, db)
		if _, err := db.PurgeKeyBook(t.Context(), time.Now().Add(time.Hour), 1000); err != nil {
			t.Fatal(err)
		}
		states, err1 := db.KeyVersions(t.Context())
		parties, err2 := db.KeyParties(t.Context(), time.Time{})
		signatures, err3 := db.KeySignatures(t.Context(), "c", time.Unix(0, 0))
		if err1 != nil || err2 != nil || err3 != nil || len(states) != 3 || len(parties) != 0 || signatures != 0 {
			t.Fatalf("%d versions, %d parties, %d signatures stay; %v %v %v", len(states), len(parties), signatures, err1, err2, err3)
		}
	})
}
