package web

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// maxHead is the size of the buffer that a request's head is read into.
const maxHead = 32 << 10

// Limits for a connection that is closed while the caller still writes: how much is
// read on, for how long, and on how many connections at a time (RFC 9112 §9.6). Without
// it a reset would destroy an answer that the caller has not read yet.
const (
	lingerBytes = 4 << 20
	lingerTime  = 2 * time.Second
	lingerMost  = 256
)

// wire hands out connections on which nothing passes that is not HTTP/1.1 as RFC
// 9112 writes it: every head and every chunk is looked at before the server parses
// it, so that there is one reading of where a request begins and ends.
type wire struct {
	net.Listener
	lingering chan struct{}
	// enter counts a connection; it is not let in where ok is false.
	enter func(from net.Addr) (leave func(), ok bool)
}

func (s *Server) onWire(l net.Listener) net.Listener {
	return wire{l, make(chan struct{}, lingerMost), s.enter}
}

// enter lets a connection in. This machine and proxies of ours stand for many.
func (s *Server) enter(from net.Addr) (leave func(), ok bool) {
	address := addressOf(from)
	if address.IsLoopback() || contains(s.o.TrustedProxies, address) {
		return func() {}, true
	}
	return s.crowd.Enter(address)
}

func (l wire) Accept() (net.Conn, error) {
	var c net.Conn
	var leave func()
	for entered := false; !entered; {
		var err error
		if c, err = l.Listener.Accept(); err != nil {
			return nil, err
		}
		if leave, entered = l.enter(c.RemoteAddr()); !entered {
			_ = c.Close() // an answer would cost what is to be spared
		}
	}
	plain := &wireConn{Conn: c, lingering: l.lingering, leave: leave}
	if secured, ok := c.(*tls.Conn); ok {
		return &securedWireConn{plain, secured}, nil
	}
	return plain, nil
}

// reading is what comes next on a connection.
type reading int

const (
	aHead reading = iota
	aBody
	aChunkSize
	aChunk
	aChunkEnd
	aTrailer
	tooLong // a head longer than any: the server refuses it when its buffer is full
)

// wireConn is one connection. Its bytes go through as they are until one is wrong;
// then reading ends with the reason, and the server answers 400 and closes.
type wireConn struct {
	net.Conn
	lingering chan struct{}
	leave     func() // uncounts it

	next reading
	part []byte // of a head, a chunk's size or a trailer that came in pieces
	left int64  // bytes of the body or the chunk
	// wrong is why nothing is read any more; asked is true where the server knows of a
	// request that it has to answer.
	wrong *malformed
	asked bool
	// within is true while the caller is in the middle of a request, for Close, which
	// others call.
	within atomic.Bool
}

// securedWireConn is one over TLS; the server asks it for its handshake.
type securedWireConn struct {
	*wireConn
	secured *tls.Conn
}

// Handshake is that of the TLS connection.
func (c *securedWireConn) Handshake() error { return c.secured.Handshake() }

// ConnectionState is that of the TLS connection.
func (c *securedWireConn) ConnectionState() tls.ConnectionState { return c.secured.ConnectionState() }

// wireOf finds what this file knows of a connection, and the connection below it.
func wireOf(c net.Conn) (*wireConn, net.Conn) {
	switch c := c.(type) {
	case *wireConn:
		return c, c.Conn
	case *securedWireConn:
		return c.wireConn, c.Conn
	}
	return nil, c
}

// Read reads what the caller sends. What follows a wrong byte is not given out.
func (c *wireConn) Read(p []byte) (n int, err error) {
	if c.wrong == nil {
		n, err = c.Conn.Read(p)
		good := c.check(p[:n])
		if c.wrong == nil {
			if n > 0 || over(err) {
				c.within.Store(n > 0 && (c.next != aHead || len(c.part) > 0))
			}
			return n, err
		}
		c.within.Store(true)
		if good > 0 {
			return good, nil
		}
	}
	if !c.asked && (c.next == aHead || c.next == aTrailer) && len(p) > 0 {
		// The server takes an error before the first byte of a request or a trailer for
		// a caller who left; after a byte it answers.
		p[0], c.asked = '?', true
		return 1, nil
	}
	return 0, c.wrong
}

// over reports whether nobody will read an answer: the caller left or fell silent.
func over(err error) bool {
	var silent net.Error
	return errors.Is(err, io.EOF) || errors.As(err, &silent) && silent.Timeout()
}

// check reads bytes that came, and returns how many may be given on.
func (c *wireConn) check(b []byte) (good int) {
	for at := 0; at < len(b); {
		switch c.next {
		case tooLong:
			return len(b)
		case aBody, aChunk:
			n := min(c.left, int64(len(b)-at))
			at += int(n)
			if c.left -= n; c.left > 0 {
				return len(b)
			}
			if c.next == aBody {
				c.next = aHead
			} else {
				c.next = aChunkEnd
			}
		default:
			line, used := c.gather(b[at:], c.end())
			if c.wrong != nil {
				return good
			}
			if at += used; line == nil {
				return len(b)
			}
			if c.wrong = c.take(line); c.wrong != nil {
				return good
			}
			c.part = c.part[:0]
			if cap(c.part) > 1<<10 {
				c.part = nil // an idle connection keeps no buffer
			}
		}
		good = at
	}
	return good
}

// end is what ends the piece that comes next.
func (c *wireConn) end() []byte {
	if c.next == aHead {
		return headEnd
	}
	return crlf
}

var headEnd = []byte("\r\n\r\n")

// gather finds a piece up to its end, over several reads if need be, and how many
// bytes of b belong to it; without the end there is no piece yet. Every LF must
// follow a CR, also in what has no end yet: the server would take a bare one for
// the end of a line (RFC 9112 §2.2 lets us refuse it).
func (c *wireConn) gather(b, end []byte) (piece []byte, used int) {
	had := len(c.part)
	whole := b
	if had > 0 {
		whole = append(c.part, b...)
	}
	for from := had; ; {
		lf := bytes.IndexByte(whole[from:], '\n')
		if lf < 0 {
			break
		}
		if lf += from; lf == 0 || whole[lf-1] != '\r' {
			c.wrong = &malformed{"a line ends without CR", "RFC 9112 §2.2"}
			return nil, 0
		}
		from = lf + 1
		if bytes.HasSuffix(whole[:from], end) && (c.next == aHead || from <= c.most()) {
			c.part = whole[:0]
			if had == 0 {
				c.part = nil
			}
			return whole[:from], from - had
		}
	}
	if len(whole) > c.most() {
		if c.next == aHead {
			c.next, c.part = tooLong, nil
			return nil, len(b)
		}
		c.wrong = &malformed{"the line of a chunk is too long", "RFC 9112 §7.1.1"}
		return nil, 0
	}
	if had == 0 {
		whole = bytes.Clone(whole)
	}
	c.part = whole
	return nil, len(b)
}

// most is how long the piece that comes next may be.
func (c *wireConn) most() int {
	if c.next == aHead {
		return maxHead
	}
	return 256
}

// take reads a whole piece.
func (c *wireConn) take(piece []byte) *malformed {
	line := piece[:len(piece)-2]
	switch c.next {
	case aHead:
		f, wrong := parseHead(bytes.TrimPrefix(line, crlf)) // one empty line before it is passed over, RFC 9112 §2.2
		switch c.left = f.length; {
		case wrong != nil:
			return wrong
		case f.chunked:
			c.next = aChunkSize
		case f.length > 0:
			c.next = aBody
		}
	case aChunkSize:
		return c.chunk(line)
	case aChunkEnd:
		if len(line) > 0 {
			return &malformed{"a chunk is longer than it said", "RFC 9112 §7.1"}
		}
		c.next = aChunkSize
	case aTrailer:
		if len(line) > 0 {
			// What comes after the body was looked at by nobody in front of us.
			return &malformed{"a trailer", "RFC 9110 §6.5.1"}
		}
		c.next = aHead
	}
	return nil
}

// chunk reads the line before a chunk: its size, and extensions, which mean nothing
// to us (RFC 9112 §7.1.1).
func (c *wireConn) chunk(line []byte) *malformed {
	size, extension, extended := bytes.Cut(line, []byte(";"))
	c.left = 0
	for _, b := range size {
		digit := bytes.IndexByte(hexDigits, b|0x20)
		if b < '0' || digit < 0 || len(size) > 8 {
			return &malformed{"the size of a chunk is no hexadecimal number", "RFC 9112 §7.1"}
		}
		c.left = c.left<<4 | int64(digit)
	}
	if len(size) == 0 || extended && !all(extension, inValue) {
		return &malformed{"the line of a chunk is no size", "RFC 9112 §7.1"}
	}
	c.next = aChunk
	if c.left == 0 {
		c.next = aTrailer
	}
	return nil
}

var hexDigits = []byte("0123456789abcdef")

// Close closes the connection. Where the caller is in the middle of a request, our
// side is closed first, and what still comes is read for a little (RFC 9112 §9.6).
func (c *wireConn) Close() error {
	defer c.leave()
	if c.within.Swap(false) {
		select {
		case c.lingering <- struct{}{}:
			linger(c.Conn)
			<-c.lingering
		default: // too many at once: the caller may lose the answer
		}
	}
	return c.Conn.Close()
}

// linger closes our half and reads what the caller sends until she has closed hers.
func linger(c net.Conn) {
	half, ok := c.(interface{ CloseWrite() error })
	if alias, is := c.(aliasConn); is {
		half, ok = alias.Conn.(interface{ CloseWrite() error })
	}
	if !ok || c.SetDeadline(time.Now().Add(lingerTime)) != nil || half.CloseWrite() != nil {
		return
	}
	if secured, is := c.(*tls.Conn); is {
		linger(secured.NetConn()) // the bytes need not be opened to be thrown away
		return
	}
	_, _ = io.CopyN(io.Discard, c, lingerBytes)
}
