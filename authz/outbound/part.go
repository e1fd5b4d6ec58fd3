package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// ErrUnchanged means that a document is still the one with the tag that was named.
var ErrUnchanged = errors.New("the document has not changed")

// Part is a part of a document that is too long for one request.
type Part struct {
	Body []byte
	// Tag is the ETag of the whole document; empty without one.
	Tag string
	// Total is the length of the whole document in bytes.
	Total int64
}

// FetchPart gets size bytes of a document of one media type, from a place on (RFC 9110 §14). At the
// beginning, tag is that of the document that is known: the error wraps [ErrUnchanged] if it is
// that still. Further on it is the tag of the parts before: another document gives an error. A host
// that gives no parts gives the whole document, no longer than limit bytes, at the beginning.
func (c *Client) FetchPart(ctx context.Context, address, mediaType, tag string, from, size, limit int64) (Part, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Part{}, err
	}
	r.Header.Set("Accept", mediaType)
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, from+size-1))
	switch {
	case tag == "":
	case from == 0:
		r.Header.Set("If-None-Match", tag)
	default:
		r.Header.Set("If-Range", tag)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return Part{}, err
	}
	defer answer.Body.Close()
	got := Part{Tag: answer.Header.Get("ETag")}
	most := limit
	switch {
	case answer.StatusCode == http.StatusNotModified && from == 0 && tag != "":
		return Part{}, ErrUnchanged
	case answer.StatusCode == http.StatusOK && from == 0:
	case answer.StatusCode == http.StatusPartialContent:
		var first, last int64
		_, err := fmt.Sscanf(answer.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &got.Total)
		if err != nil || first != from || last < first || got.Total <= last || got.Total > limit || from > 0 && got.Tag != tag {
			return Part{}, fmt.Errorf("a part %.64q that was not asked for", answer.Header.Get("Content-Range"))
		}
		most = min(size, last-first+1)
	default:
		return Part{}, fmt.Errorf("status %d", answer.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err != nil || kind != mediaType {
		return Part{}, fmt.Errorf("its media type is %q, want %q", answer.Header.Get("Content-Type"), mediaType)
	}
	got.Body, err = io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err == nil && int64(len(got.Body)) > most {
		err = fmt.Errorf("longer than %d bytes", most)
	}
	if answer.StatusCode == http.StatusOK {
		got.Total = int64(len(got.Body))
	}
	if err == nil && len(got.Body) == 0 {
		err = errors.New("it is empty")
	}
	return got, err
}
