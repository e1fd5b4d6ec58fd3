package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestLinesAreFolded: of one kind of line a flood leaves a few and their number; other
// kinds, and what somebody asked for, are not held up by it.
func TestLinesAreFolded(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1_800_000_000, 0)
	state := &foldState{now: func() time.Time { return now }, kinds: map[kind]*folded{}}
	logger := slog.New(folds{slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}), state})
	count := func(text string) int {
		n := strings.Count(out.String(), text)
		return n
	}
	for i := range 10_000 {
		logger.Info("refused", "endpoint", fmt.Sprint("/grants/", i), "error", "invalid_token", "description", fmt.Sprint(i))
		logger.Error("request failed", "path", fmt.Sprint(i), "error", errors.New(fmt.Sprint(i)))
		if i < 100 {
			logger.Debug("detail")
			logger.Info(accessLine)
		}
	}
	logger.Info("refused", "error", "invalid_client")
	for text, want := range map[string]int{
		`"error":"invalid_token"`: foldBurst, `"request failed"`: foldBurst, `"detail"`: 100, `"answered"`: 100, "invalid_client": 1,
	} {
		if got := count(text); got != want {
			t.Errorf("%s: %d lines, want %d", text, got, want)
		}
	}
	if all := state.out.All(); all[slog.LevelInfo] != 10_000-foldBurst || all[slog.LevelError] != 10_000-foldBurst {
		t.Errorf("%v", all)
	}
	out.Reset()
	now = now.Add(foldTell)
	logger.Info("refused", "error", "invalid_token")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	told := 0
	for _, line := range lines {
		var one struct {
			Msg, Message string
			Lines        int
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		if one.Msg == "lines were left out of the log" && one.Lines == 10_000-foldBurst {
			told++
		}
	}
	if told != 2 || len(lines) != 3 {
		t.Errorf("%s", out.String())
	}
	for i := range 3 * maxKinds {
		logger.Info(fmt.Sprint("kind ", i))
	}
	if len(state.kinds) > maxKinds+1 {
		t.Errorf("%d kinds are kept", len(state.kinds))
	}
}
