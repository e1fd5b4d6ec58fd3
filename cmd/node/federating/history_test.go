package federating_test

import (
	"context"
	"testing"
	"time"

	"hopnhat/cmd/node/federating"
	"hopnhat/cmd/node/nodetest"
	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/history"
)

// kept tells of the walks that are kept.
type kept chan history.Walk

func (kept) NewestVerdicts(context.Context, string) (map[federation.EntityID]string, error) {
	return map[federation.EntityID]string{"https://app.example.vn": "x"}, nil
}

func (k kept) KeepWalk(_ context.Context, node string, w history.Walk, rows []history.Row) error {
	if node == "dc1/a" && len(rows) == 1 && rows[0].Gone {
		k <- w
	}
	return nil
}

func (kept) PurgeHistory(context.Context, time.Time, int) (int64, error) { return 0, nil }

// TestWalksAreKept: a server keeps what it found with each walk through the federation; nobody
// answers here, so an entity that was known before is found no more.
func TestWalksAreKept(t *testing.T) {
	anchor := federationtest.New(t, "https://127.0.0.1:1")
	file := nodetest.Write(t, "f.json", `{"organization":"Neo","subordinates":true,"networks":["127.0.0.0/8"],"anchors":[{"entity":"https://127.0.0.1:1","jwks":`+
		string(anchor.JWKS(t))+`}]}`)
	k := make(kept, 1)
	s, err := federating.New(federating.Parts{File: file, Issuer: issuer, State: t.TempDir(), History: k, Node: "dc1/a"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(ended)
	}()
	if w := <-k; w.Trusted != 0 || w.Failed == 0 || w.At.IsZero() {
		t.Errorf("kept is %+v", w)
	}
	cancel()
	<-ended
}
