package outbound

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestParts: a long document comes in parts, all of one document, and nothing that was not asked
// for is taken (RFC 9110 §13.1, §14).
func TestParts(t *testing.T) {
	const media = "application/x-document"
	content, tag := strings.Repeat("0123456789", 10), `"1"`
	var answer func(w http.ResponseWriter, r *http.Request)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("ETag", tag)
		if answer != nil {
			answer(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	}))
	defer server.Close()
	c := New(true)
	first, err := c.FetchPart(t.Context(), server.URL, media, "", 0, 40, 1000)
	if err != nil || string(first.Body) != content[:40] || first.Total != 100 || first.Tag != tag {
		t.Fatalf("the first: %+v, %v", first, err)
	}
	last, err := c.FetchPart(t.Context(), server.URL, media, tag, 80, 40, 1000)
	if err != nil || string(last.Body) != content[80:] {
		t.Errorf("§14.1.2, the last: %+v, %v", last, err)
	}
	if _, err := c.FetchPart(t.Context(), server.URL, media, tag, 0, 40, 1000); !errors.Is(err, ErrUnchanged) {
		t.Errorf("§13.1.2, the tag that is known: %v", err)
	}
	if _, err := c.FetchPart(t.Context(), server.URL, media, `"0"`, 40, 40, 1000); err == nil {
		t.Error("§13.1.5: a part of another document was taken")
	}
	for name, wrong := range map[string]func(w http.ResponseWriter, r *http.Request){
		"longer than the limit": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 1001)) },
		"empty":                 func(http.ResponseWriter, *http.Request) {},
		"another media type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("x"))
		},
		"an error":                   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"not modified, unasked":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
		"another part":               part("bytes 1-39/100", 39),
		"a part of a longer whole":   part("bytes 0-39/1001", 40),
		"a part that is longer":      part("bytes 0-39/100", 90),
		"a part without its numbers": part("bytes */100", 40),
	} {
		answer = wrong
		if got, err := c.FetchPart(t.Context(), server.URL, media, "", 0, 40, 1000); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// part answers 206 with a Content-Range and n bytes.
func part(numbers string, n int) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", numbers)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(bytes.Repeat([]byte("x"), n))
	}
}
