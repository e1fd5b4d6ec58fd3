package web

import "bytes"

// malformed is why a request is not read on: fasthttp reads much that RFC 9112
// forbids, and what two readers take differently is how one hides a request from
// the other (§11.2).
type malformed struct{ reason, clause string }

func (m *malformed) Error() string { return m.reason + " (" + m.clause + ")" }

// framing says where the body of a request ends.
type framing struct {
	length  int64 // bytes of content
	chunked bool
}

// Classes of bytes: what a name and a value of a field, a target and a host may consist of.
const (
	inName = 1 << iota
	inValue
	inTarget
	inHost
)

// classes is the class of every byte: tokens of RFC 9110 §5.6.2, field values of
// §5.5, and of a target and a host what RFC 3986 knows and browsers send as it is.
var classes = func() (classes [256]byte) {
	for b := range 256 {
		switch {
		case b == '\t', b == ' ', b >= 0x80:
			classes[b] = inValue
		case b > ' ' && b < 0x7f:
			classes[b] = inValue | inTarget
		}
		if b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' {
			classes[b] |= inName | inHost
		}
	}
	for _, b := range []byte("!#$%&'*+-.^_`|~") {
		classes[b] |= inName
	}
	for _, b := range []byte("-._~%:[]") {
		classes[b] |= inHost
	}
	classes['#'] &^= inTarget // a fragment is never sent (RFC 9112 §3.2.1)
	return classes
}()

func all(text []byte, class byte) bool {
	for _, b := range text {
		if classes[b]&class == 0 {
			return false
		}
	}
	return true
}

// methods are those that the router knows (RFC 9110 §9.1: case-sensitive).
var methods = [][]byte{
	[]byte("GET"), []byte("POST"), []byte("HEAD"), []byte("PUT"), []byte("DELETE"),
	[]byte("OPTIONS"), []byte("PATCH"), []byte("CONNECT"), []byte("TRACE"),
}

// parseHead checks the head of a request, from the request line to the empty line,
// which is cut off, and says where the body ends. Each line ends in CRLF. It
// allocates nothing when all is well.
func parseHead(head []byte) (framing, *malformed) {
	line, rest, _ := bytes.Cut(head, crlf)
	old, authority, wrong := parseRequestLine(line)
	if wrong != nil {
		return framing{}, wrong
	}
	var out framing
	var host, length, encoding []byte
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, crlf)
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			return out, &malformed{"a header field goes on in another line", "RFC 9112 §5.2"}
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || !all(line[:colon], inName) {
			return out, &malformed{"the name of a header field is no token that a colon follows", "RFC 9112 §5.1"}
		}
		name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
		if !all(value, inValue) {
			return out, &malformed{"a header field has a control character", "RFC 9110 §5.5"}
		}
		var seen *[]byte
		switch {
		case len(name) == 4 && bytes.EqualFold(name, []byte("Host")):
			seen = &host
		case len(name) == 14 && bytes.EqualFold(name, []byte("Content-Length")):
			seen = &length
		case len(name) == 17 && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			seen = &encoding
		default:
			continue
		}
		if *seen != nil {
			return out, &malformed{"two header fields " + string(name), clauses[len(name)]}
		}
		if *seen = value; len(value) == 0 {
			return out, &malformed{"an empty header field " + string(name), clauses[len(name)]}
		}
	}
	switch {
	case host == nil && !old:
		return out, &malformed{"no header field Host", "RFC 9112 §3.2"}
	case !all(host, inHost):
		return out, &malformed{"the header field Host names no host", "RFC 9112 §3.2"}
	case authority != nil && !bytes.EqualFold(authority, host):
		return out, &malformed{"the request line and the header field Host name two hosts", "RFC 9112 §3.2.2"}
	case length != nil && encoding != nil:
		return out, &malformed{"Content-Length beside Transfer-Encoding", "RFC 9112 §6.1"}
	case encoding != nil && (old || !bytes.EqualFold(encoding, []byte("chunked"))):
		return out, &malformed{"a Transfer-Encoding that is not chunked alone, or in HTTP/1.0", "RFC 9112 §6.1"}
	}
	out.chunked = encoding != nil
	for _, digit := range length {
		if digit < '0' || digit > '9' || len(length) > 15 {
			return out, &malformed{"Content-Length is no length", "RFC 9110 §8.6"}
		}
		out.length = out.length*10 + int64(digit-'0')
	}
	return out, nil
}

// clauses are those of the fields that may stand once, by the length of the name.
var clauses = map[int]string{4: "RFC 9112 §3.2", 14: "RFC 9112 §6.3", 17: "RFC 9112 §6.1"}

// parseRequestLine checks a request line (RFC 9112 §3). old is true for HTTP/1.0; an
// authority is that of a target in absolute form.
func parseRequestLine(line []byte) (old bool, authority []byte, wrong *malformed) {
	method, rest, _ := bytes.Cut(line, space)
	target, version, _ := bytes.Cut(rest, space)
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		old = true
	default:
		return old, nil, &malformed{"the request line does not end in HTTP/1.1", "RFC 9112 §2.3"}
	}
	known := false
	for _, m := range methods {
		known = known || bytes.Equal(m, method)
	}
	if !known {
		return old, nil, &malformed{"the request line begins with no method that is known", "RFC 9112 §3.1"}
	}
	if !all(target, inTarget) {
		return old, nil, &malformed{"the target has a character that must be encoded", "RFC 9112 §3.2"}
	}
	scheme, after, absolute := bytes.Cut(target, []byte("://"))
	if absolute && (bytes.EqualFold(scheme, []byte("https")) || bytes.EqualFold(scheme, []byte("http"))) {
		end := bytes.IndexAny(after, "/?")
		if end <= 0 || after[end] != '/' {
			return old, nil, &malformed{"the target is no path", "RFC 9112 §3.2.2"}
		}
		authority, target = after[:end], after[end:]
	}
	// Two slashes at the beginning are read as a host by one and as a path by another.
	if len(target) == 0 || target[0] != '/' || len(target) > 1 && target[1] == '/' {
		return old, nil, &malformed{"the target is no path", "RFC 9112 §3.2.1"}
	}
	return old, authority, nil
}

var (
	crlf  = []byte("\r\n")
	space = []byte(" ")
)
