package tlog

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Shard names the quarter of a time, for example 2026q4. Logs are sharded so that
// retention can drop whole shards while their last checkpoints live on.
func Shard(t time.Time) string {
	t = t.UTC()
	return fmt.Sprintf("%dq%d", t.Year(), (int(t.Month())+2)/3)
}

// Name is what a shard is called: its origin in checkpoints and its folder.
type Name struct {
	// Log is the name all shards of the nation share, such as
	// hopnhat.example/release.
	Log  string
	Site string // such as dc1
	// Quarter is from Shard.
	Quarter string
}

// Origin is the first line of every checkpoint of the shard, such as
// hopnhat.example/release/dc1/2026q4.
func (n Name) Origin() string { return strings.Join([]string{n.Log, n.Site, n.Quarter}, "/") }

// Dir is the shard's folder below the folder of all logs.
func (n Name) Dir(root string) string { return filepath.Join(root, n.Site, n.Quarter) }
