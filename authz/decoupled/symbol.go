package decoupled

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// choices is how many symbols a person picks from.
const choices = 3

var digitRun = regexp.MustCompile(`[0-9]{2,8}`)

// SymbolOf is what the person must pick for a binding message: the last number of
// two to eight digits in it, which the app shows anyway. Without one it is a new
// number of two digits, which the app is told and has to show.
func SymbolOf(message string) string {
	if all := digitRun.FindAllString(message, -1); len(all) > 0 {
		return all[len(all)-1]
	}
	return fmt.Sprint(10 + random(90))
}

// Masked is a binding message with the symbol hidden, since the page that asks
// for it must not give it away.
func Masked(message, symbol string) string {
	return strings.ReplaceAll(message, symbol, strings.Repeat("•", len(symbol)))
}

func random(below int) int {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(below)))
	if err != nil {
		panic("decoupled: no randomness: " + err.Error())
	}
	return int(n.Int64())
}

// Choices are the symbol and two others of its form, in an order that tells
// nothing. They are the same each time a page is shown, or two looks at it would
// give the symbol away; so they come from a key and the request.
func (k Keys) Choices(r *Request) []string {
	alphabet := "0123456789"
	if strings.Trim(r.Symbol, alphabet) != "" {
		alphabet = userCodeAlphabet
	}
	out := []string{r.Symbol}
	for n := 0; len(out) < choices; n++ {
		decoy := k.decoy(r, n, alphabet)
		// A number does not begin with 0 unless the right one does, which would give
		// the others away.
		if !slices.Contains(out, decoy) && (decoy[0] == '0') == (r.Symbol[0] == '0') {
			out = append(out, decoy)
		}
	}
	// Drawn, not sorted: the place must not depend on the symbol.
	at := k.draw(r, "place", 0)
	for i := len(out) - 1; i > 0; i-- {
		j := int(at % uint64(i+1))
		at /= uint64(i + 1)
		out[i], out[j] = out[j], out[i]
	}
	return out
}

func (k Keys) decoy(r *Request, n int, alphabet string) string {
	var b strings.Builder
	for i := range len(r.Symbol) {
		b.WriteByte(alphabet[k.draw(r, "decoy", n*16+i)%uint64(len(alphabet))])
	}
	return b.String()
}

func (k Keys) draw(r *Request, what string, n int) uint64 {
	return binary.BigEndian.Uint64(k.key.MAC(fmt.Appendf(nil, "%s\x00%d\x00%s", what, n, r.ID)))
}
