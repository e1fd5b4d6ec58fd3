package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"hopnhat/authz/provider"
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
					if label[1] == "route" && label[2] != provider.BrokerPath+"/releases" {
						t.Errorf("%s: %s is no route that is measured by itself", r.Alert, label[2])
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
			roles := []string{"hopnhat_migrate", "hopnhat_server", "hopnhat_registry", "hopnhat_registry_load", "hopnhat_registry_read"}
			if _, ok := known[name]; !ok && !slices.Contains(roles, name) {
				t.Errorf("%s: there is no metric %s", filepath.Base(page), name)
			}
		}
	}
}
