package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hopnhat/keys"
)

// TestLinesNameTheirRequest: a line that is written while a request is answered has
// the id of its X-Request-Id.
func TestLinesNameTheirRequest(t *testing.T) {
	var out bytes.Buffer
	logger, err := newLogger(&out, "info")
	if err != nil {
		t.Fatal(err)
	}
	logger.With("part", "x").InfoContext(keys.WithRequest(t.Context(), "01939f6e"), "something")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["request"] != "01939f6e" || line["part"] != "x" {
		t.Errorf("%v in %s", err, out.String())
	}
}

// TestMetricNames: names are stable and well formed, each once, and a label is none of
// what a caller chooses.
func TestMetricNames(t *testing.T) {
	shape := regexp.MustCompile(`^hopnhat_[a-z]+(_[a-z0-9]+)*$`)
	seen := map[string]bool{}
	rows := slices.Clone(metricTable)
	for _, h := range histogramTable {
		if !strings.HasSuffix(h.name, "_seconds") {
			t.Errorf("%q is not in seconds, as Prometheus's rules of naming have it", h.name)
		}
		rows = append(rows, metric{name: h.name, help: h.help})
	}
	for _, m := range rows {
		if !shape.MatchString(m.name) || seen[m.name] || m.help == "" || !strings.HasSuffix(m.help, ".") {
			t.Errorf("%q: %q", m.name, m.help)
		}
		seen[m.name] = true
	}
}
