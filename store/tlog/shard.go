package tlog

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
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
	// Log is the name all shards of a site share, such as hopnhat.example/release/dc1.
	Log string
	// Quarter is from Shard.
	Quarter string
	// Part is 1, and one more each time that a writer could not go on with the part before,
	// which then is closed.
	Part int
}

// shardForm is how the last segment of a shard's origin looks.
var shardForm = regexp.MustCompile(`^([0-9]{4}q[1-4])(?:-([1-9][0-9]{0,8}))?$`)

// ParseName reads the origin of a shard of a log.
func ParseName(log, origin string) (Name, error) {
	shard, ours := strings.CutPrefix(origin, log+"/")
	m := shardForm.FindStringSubmatch(shard)
	if !ours || m == nil || m[2] == "1" {
		return Name{}, fmt.Errorf("%q is no shard of the log %q", origin, log)
	}
	n := Name{log, m[1], 1}
	if m[2] != "" {
		n.Part, _ = strconv.Atoi(m[2]) // it is digits, and few
	}
	return n, nil
}

// Shard is the last segment of the origin: the quarter, and the part beyond the first,
// such as 2026q4 or 2026q4-2.
func (n Name) Shard() string {
	if n.Part <= 1 {
		return n.Quarter
	}
	return n.Quarter + "-" + strconv.Itoa(n.Part)
}

// Origin is the first line of every checkpoint of the shard, such as
// hopnhat.example/release/dc1/2026q4.
func (n Name) Origin() string { return n.Log + "/" + n.Shard() }

// Dir is the shard's folder below the folder of the log.
func (n Name) Dir(root string) string { return filepath.Join(root, n.Shard()) }
