package node

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"hopnhat/authz/broker"
	"hopnhat/authz/protocol"
	"hopnhat/authz/tally"
	"hopnhat/web"
)

var (
	metricName = regexp.MustCompile(`\bhopnhat_[a-z_]+`)
	selector   = regexp.MustCompile(`(hopnhat_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
)

// TestEveryMetricOfAnAlertIsThere: docs/deploy/alerts.yaml names metrics and labels
// that the program has, and every metric that the documents name is one.
func TestEveryMetricOfAnAlertIsThere(t *testing.T) {
	known := map[string][]string{}
	for _, m := range metricTable {
		known[m.name] = m.labels
	}
	for _, h := range histogramTable {
		known[h.name] = nil // no series has this name
		known[h.name+"_count"], known[h.name+"_sum"] = h.labels, h.labels
		known[h.name+"_bucket"] = append([]string{"le"}, h.labels...)
	}
	// What some labels can say. A bound that is a whole number is written 1 by some
	// releases of Prometheus and 1.0 by others, so no rule may stand on one.
	values := map[string][]string{"route": {protocol.BrokerPath + "/releases"}, "class": {"2xx", "3xx", "4xx", "5xx"}}
	for _, group := range web.Groups {
		values["group"] = append(values["group"], string(group))
	}
	for _, bound := range tally.Bounds {
		if bound != math.Trunc(bound) {
			values["le"] = append(values["le"], strconv.FormatFloat(bound, 'g', -1, 64))
		}
	}
	docs := filepath.Join("..", "..", "docs")
	raw, err := os.ReadFile(filepath.Join(docs, "deploy", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	decode := yaml.NewDecoder(bytes.NewReader(raw))
	decode.KnownFields(true)
	if err := decode.Decode(&file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Hopnhat") || !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]) || r.Annotations["summary"] == "" {
				t.Errorf("%q: its name is its own, it has a severity and says what is wrong", r.Alert)
			}
			seen[r.Alert] = true
			if strings.Count(r.Expr, "(") != strings.Count(r.Expr, ")") || strings.Count(r.Expr, "{") != strings.Count(r.Expr, "}") {
				t.Errorf("%s: brackets do not close: %s", r.Alert, r.Expr)
			}
			for _, found := range selector.FindAllStringSubmatch(r.Expr, -1) {
				labels, ok := known[found[1]]
				if !ok {
					t.Errorf("%s: there is no metric %s", r.Alert, found[1])
				}
				for _, label := range matcher.FindAllStringSubmatch(found[2], -1) {
					if !slices.Contains(labels, label[1]) {
						t.Errorf("%s: %s has no label %s", r.Alert, found[1], label[1])
					}
					if can, ok := values[label[1]]; ok && !slices.Contains(can, label[2]) {
						t.Errorf("%s: %s is never %q, only %v", r.Alert, label[1], label[2], can)
					}
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d alerts were found", len(seen))
	}
	pages, err := filepath.Glob(filepath.Join(docs, "*.md"))
	if err != nil || len(pages) < 10 {
		t.Fatal(pages, err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			roles := []string{
				"hopnhat_migrate", "hopnhat_server", "hopnhat_registry", "hopnhat_registry_load", "hopnhat_registry_read", "hopnhat_erase",
				"hopnhat_provider", "hopnhat_broker", "hopnhat_portal", "hopnhat_log", "hopnhat_federation",
			}
			if _, ok := known[name]; !ok && !slices.Contains(roles, name) {
				t.Errorf("%s: there is no metric %s", filepath.Base(page), name)
			}
		}
	}
}

// TestCountersAreThereFromTheStart: a counter that appears with its first event has no
// increase then, and a sum with a series that is not there is nothing.
func TestCountersAreThereFromTheStart(t *testing.T) {
	_, text := get(t, started(t, configured(t)), "/metrics")
	want := []string{
		`hopnhat_pings_total{outcome="given_up"}`, `hopnhat_logout_tokens_total{outcome="given_up"}`,
		`hopnhat_log_lines_left_out_total{level="error"}`, `hopnhat_keys_failures_total{cause="key-missing"}`,
		`hopnhat_releases_total{outcome="released"}`,
		`hopnhat_sign_in_attempts_total{known_device="false",result="right",step="password"}`,
		`hopnhat_sign_in_attempts_total{known_device="true",result="failed",step="code"}`,
	}
	for code := range broker.Problems() {
		want = append(want, `hopnhat_releases_total{outcome="`+code+`"}`)
	}
	for _, series := range want {
		if !strings.Contains(text, "\n"+series+" 0\n") {
			t.Errorf("%s is not there with zero before the first", series)
		}
	}
	if !strings.Contains(text, "\ngo_goroutines ") || strings.Contains(text, "hopnhat_goroutines") {
		t.Error("goroutines are counted once, by the collector of Prometheus")
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
