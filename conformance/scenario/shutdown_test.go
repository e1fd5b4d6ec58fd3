package scenario_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// TestEndingLosesNothing: requests that the server has begun to read when it is
// told to end are answered as on any other day, then it ends well; and what they
// did is there after the next start.
func TestEndingLosesNothing(t *testing.T) { onEach(t, ended) }

func ended(t *testing.T, n *nation) {
	p, who, b := n.app, n.someone(t), browser(t)
	const requests = 12
	var begun []*half
	for range requests {
		token := p.tokens(t, b, who, taxDetail).text("refresh_token")
		begun = append(begun, n.half(t, p, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}))
	}
	var group sync.WaitGroup
	group.Go(n.process.Stop)
	for n.accepts() { // until nobody new is let in
	}
	for _, h := range begun {
		if a := h.finish(t); a.status != http.StatusOK || a.text("refresh_token") == "" {
			t.Errorf("a request that had been accepted was answered %d %.200s", a.status, a.raw)
		} else {
			h.token = a.text("refresh_token")
		}
	}
	group.Wait()
	n.start(t)
	for _, h := range begun {
		if a := p.refresh(t, h.token); a.status != http.StatusOK {
			t.Errorf("what the last answer gave is not good after the next start: %d %s", a.status, a.raw)
		}
	}
}

// accepts reports whether a connection is taken.
func (n *nation) accepts() bool {
	c, err := net.Dial("tcp", strings.TrimPrefix(n.base, "http://"))
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// half is a request whose head the server has read.
type half struct {
	connection net.Conn
	reader     *bufio.Reader
	rest       string
	token      string
}

// half sends the head of a right request and waits until the server asks for the
// body (RFC 9110 §10.1.1), so that it is certainly accepted.
func (n *nation) half(t *testing.T, p *party, path string, form url.Values) *half {
	t.Helper()
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", p.assertion(t, nil))
	h := &half{rest: form.Encode()}
	var err error
	if h.connection, err = net.Dial("tcp", strings.TrimPrefix(n.base, "http://")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.connection.Close() })
	h.reader = bufio.NewReader(h.connection)
	_, err = fmt.Fprintf(h.connection, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nDPoP: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		path, p.dpop(t, http.MethodPost, n.base+path, "", nil), len(h.rest))
	if err != nil {
		t.Fatal(err)
	}
	line, err := h.reader.ReadString('\n')
	if err != nil || !strings.Contains(line, "100") {
		t.Fatalf("the server answered %q, %v", line, err)
	}
	if _, err := h.reader.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *half) finish(t *testing.T) answer {
	t.Helper()
	if _, err := io.WriteString(h.connection, h.rest); err != nil {
		t.Errorf("sending the rest: %v", err)
		return answer{}
	}
	response, err := http.ReadResponse(h.reader, nil)
	if err != nil {
		t.Errorf("reading the answer: %v", err)
		return answer{}
	}
	defer response.Body.Close()
	return read(t, response)
}
