package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticksPerSecond of /proc: USER_HZ is 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// process is what /proc/PID/stat tells, proc(5).
type process struct {
	parent int
	ticks  int64 // user and system time of the process itself
	reaped int64 // of its children that ended
}

// parseStat reads a line of /proc/PID/stat. The name stands in parentheses and
// may hold anything, so the fields are counted from the last one.
func parseStat(line string) (process, error) {
	_, rest, ok := cutLast(line, ")")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 15 {
		return process{}, errors.New("a line of /proc/PID/stat is malformed")
	}
	var n [5]int64
	for i, at := range []int{1, 11, 12, 13, 14} { // ppid, utime, stime, cutime, cstime
		value, err := strconv.ParseInt(fields[at], 10, 64)
		if err != nil {
			return process{}, fmt.Errorf("reading /proc/PID/stat: %w", err)
		}
		n[i] = value
	}
	return process{int(n[0]), n[1] + n[2], n[3] + n[4]}, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(sep):], true
}

func readStat(pid int) (process, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return process{}, err
	}
	return parseStat(string(raw))
}

// ClusterCPU gives a reading of the CPU seconds of a whole PostgreSQL cluster: the
// parent of the backend named, what it has reaped, and its living children.
func ClusterCPU(backend int) (read func() (float64, error), err error) {
	stat, err := readStat(backend)
	if err != nil {
		return nil, fmt.Errorf("finding the database's processes (it must run on this machine): %w", err)
	}
	return func() (float64, error) { return treeCPU(stat.parent) }, nil
}

func treeCPU(root int) (float64, error) {
	main, err := readStat(root)
	if err != nil {
		return 0, fmt.Errorf("reading the CPU of the database: %w", err)
	}
	ticks := main.ticks + main.reaped
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		p, err := readStat(pid)
		if errors.Is(err, fs.ErrNotExist) || err != nil && os.IsPermission(err) {
			continue // ended meanwhile, or not ours to see
		}
		if err == nil && p.parent == root {
			ticks += p.ticks + p.reaped
		}
	}
	return float64(ticks) / ticksPerSecond, nil
}
