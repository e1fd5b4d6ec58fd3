package view

import (
	"crypto/sha256"
	_ "embed" // the message files
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"hopnhat/authz"
	"hopnhat/web/view/plain"
)

//go:embed messages_vi.json
var messagesVI []byte

//go:embed messages_en.json
var messagesEN []byte

// messages are the texts of one language by key. {0}, {1} … stand for values.
type messages map[string]string

var catalogue = map[Lang]messages{
	Vietnamese: mustMessages(messagesVI),
	English:    mustMessages(messagesEN),
}

// TextsVersion is the SHA-256 of all texts in a language, hex: what a person was
// shown says by it which words of ours stood beside those of the app.
func TextsVersion(lang Lang) string { return textsVersions[lang] }

var textsVersions = map[Lang]string{Vietnamese: digestOf(messagesVI), English: digestOf(messagesEN)}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func mustMessages(raw []byte) messages {
	var m messages
	if err := json.Unmarshal(raw, &m); err != nil {
		panic("view: reading the message catalogue: " + err.Error())
	}
	return m
}

// text fills the values into a text. The result is plain text, which the
// template escapes where it stands.
func (m messages) text(lang Lang, key string, values ...any) (string, error) {
	text, ok := m[key]
	if !ok {
		return "", fmt.Errorf("no text %q in language %q", key, lang)
	}
	if len(values) == 0 {
		return text, nil
	}
	var pairs []string
	for i, v := range values {
		plain, err := plainText(lang, v)
		if err != nil {
			return "", fmt.Errorf("value %d of text %q: %w", i, key, err)
		}
		pairs = append(pairs, "{"+strconv.Itoa(i)+"}", plain)
	}
	return strings.NewReplacer(pairs...).Replace(text), nil
}

func plainText(lang Lang, v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int:
		return plain.Count(uint64(max(v, 0)), lang == English), nil
	case uint64:
		return plain.Count(v, lang == English), nil
	case authz.LocalizedText:
		return v.In(string(lang)), nil
	default:
		return "", fmt.Errorf("a %T has no plain text", v)
	}
}
