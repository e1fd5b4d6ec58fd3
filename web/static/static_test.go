package static_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hopnhat/web/static"
)

func TestEveryAddressIsFoundAndTyped(t *testing.T) {
	total := 0
	for _, f := range static.Files() {
		got, ok := static.Find(static.Path(f.Name))
		if !ok || got.Name != f.Name {
			t.Errorf("Find(Path(%q)) = %q, %v", f.Name, got.Name, ok)
		}
		if strings.HasSuffix(f.Name, ".woff2") {
			total += len(f.Body)
		}
	}
	if limit := 200 << 10; total > limit {
		t.Errorf("the typeface weighs %d bytes, limit %d", total, limit)
	}
}

func TestStyleSheetNamesOnlyEmbeddedFiles(t *testing.T) {
	for _, f := range static.Files() {
		if !strings.HasSuffix(f.Name, ".css") {
			continue
		}
		for _, part := range strings.Split(string(f.Body), "url(")[1:] {
			target, _, _ := strings.Cut(part, ")")
			target = strings.Trim(target, `"`)
			if _, ok := static.Find(target); !ok {
				t.Errorf("%s names %q, which is not a file here", f.Name, target)
			}
		}
	}
}

func TestHandler(t *testing.T) {
	rows := []struct {
		name, method, path string
		status             int
	}{
		{"a file by its address", "GET", static.Path("hopnhat.css"), http.StatusOK},
		{"a file without its digest is not there", "GET", "/static/hopnhat.css", http.StatusNotFound},
		{"the source of this package is not there", "GET", "/static/static.go", http.StatusNotFound},
		{"no climbing out", "GET", "/static/../go.mod", http.StatusNotFound},
		{"no writing", "POST", static.Path("hopnhat.css"), http.StatusMethodNotAllowed},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(row.method, "http://localhost/", nil)
			r.URL.Path = row.path
			static.Handler().ServeHTTP(w, r)
			if w.Code != row.status {
				t.Fatalf("got %d, want %d", w.Code, row.status)
			}
			if got := w.Header().Get("Cache-Control"); row.status == http.StatusOK && got != static.CacheControl {
				t.Errorf("Cache-Control = %q", got)
			}
		})
	}
}
