// Package static holds the files a browser fetches beside the pages: one style
// sheet, one script, the emblem and the typeface. They are embedded, and their
// addresses carry a digest of their content, so they may be kept for ever and a
// new release is seen at once. Nothing here comes from another origin.
package static

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"sort"
	"strings"
)

// Prefix is where the files are mounted.
const Prefix = "/static/"

// CacheControl is the header value for every file found by its address.
const CacheControl = "public, max-age=31536000, immutable"

//go:embed *.css *.js *.svg fonts/*.woff2 fonts/OFL.txt
var embedded embed.FS

// File is one file as it is sent.
type File struct {
	Name string // as in this folder, for example "fonts/OFL.txt"
	Path string // the address, for example "/static/hopnhat.0f1e2d3c4b5a.css"
	Type string // the Content-Type
	Body []byte
}

var byName, byPath = load()

// Path is the address of a file; it panics for a name that is not embedded,
// which the parsing of the templates at start brings to light.
func Path(name string) string {
	f, ok := byName[name]
	if !ok {
		panic(fmt.Sprintf("static: no file %q", name))
	}
	return f.Path
}

// Find returns the file at an address.
func Find(address string) (File, bool) {
	f, ok := byPath[address]
	return f, ok
}

// Files lists all files, ordered by name.
func Files() []File {
	list := make([]File, 0, len(byName))
	for _, f := range byName {
		list = append(list, f)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// Handler serves the files by GET and HEAD below [Prefix].
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := Find(r.URL.Path)
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", f.Type)
		w.Header().Set("Cache-Control", CacheControl)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method == http.MethodGet {
			_, _ = w.Write(f.Body)
		}
	})
}

// load reads everything once. Style sheets come last: the addresses they name
// are replaced by those with the digest, so their own digest covers them.
func load() (names, paths map[string]File) {
	names, paths = map[string]File{}, map[string]File{}
	var files []string
	err := fs.WalkDir(embedded, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		panic("static: " + err.Error())
	}
	sort.SliceStable(files, func(i, j int) bool {
		return path.Ext(files[i]) != ".css" && path.Ext(files[j]) == ".css"
	})
	for _, name := range files {
		body, err := embedded.ReadFile(name)
		if err != nil {
			panic("static: " + err.Error())
		}
		if path.Ext(name) == ".css" {
			for _, f := range names {
				body = bytes.ReplaceAll(body, []byte(`url("`+f.Name+`")`), []byte(`url("`+f.Path+`")`))
			}
		}
		f := File{Name: name, Path: address(name, body), Type: contentType(name), Body: body}
		names[name], paths[f.Path] = f, f
	}
	return names, paths
}

func address(name string, body []byte) string {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	return Prefix + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
}

// contentType is a table of ours: what the machine's MIME files say must not
// change what we send.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	default:
		return "text/plain; charset=utf-8"
	}
}
