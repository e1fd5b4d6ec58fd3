package authn

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// A browser in which somebody signed in keeps a device cookie: for each of up to
// maxDevices accounts an entry that proves the sign-in to us and tells others nothing,
// not even whose it is. With it she has a budget of attempts that strangers cannot
// spend (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
//
// An entry is id, time of issue, a tag of the password, and a MAC over these and the
// number. It ends with its time, with the password, and when the person signs out
// everywhere.
const (
	DeviceLife = 180 * 24 * time.Hour
	maxDevices = 4

	idBytes    = 16
	tagBytes   = 8
	proofBytes = 16
	entryBytes = idBytes + 8 + tagBytes + proofBytes
)

// device is an entry whose MAC is right.
type device struct {
	id     string
	issued time.Time
	tag    []byte
}

var base64url = base64.RawURLEncoding

// device finds the entry of an account in a cookie. It needs no database.
func (a *Authenticator) device(cookie string, account []byte) (d device, ok bool) {
	for _, entry := range entries(cookie) {
		raw, err := base64url.DecodeString(entry)
		if err != nil || len(raw) != entryBytes {
			continue
		}
		body, proof := raw[:entryBytes-proofBytes], raw[entryBytes-proofBytes:]
		if subtle.ConstantTimeCompare(proof, a.mac("device", account, body)[:proofBytes]) != 1 {
			continue
		}
		issued := time.Unix(int64(binary.BigEndian.Uint64(body[idBytes:])), 0)
		if a.now().Sub(issued) < DeviceLife {
			return device{string(body[:idBytes]), issued, body[idBytes+8:]}, true
		}
	}
	return device{}, false
}

// entries are those of a cookie, the newest first.
func entries(cookie string) []string {
	list := strings.SplitN(cookie, ".", maxDevices+1)
	return list[:min(len(list), maxDevices)]
}

// knows reports whether a device is still one of the account.
func (a *Authenticator) knows(c Credentials, d device) bool {
	return c.Subject != "" && d.issued.After(c.DevicesSince) && subtle.ConstantTimeCompare(d.tag, a.tag(c)) == 1
}

// tag stands for a password hash.
func (a *Authenticator) tag(c Credentials) []byte {
	return a.mac("password", c.of(PasswordFactor).Secret)[:tagBytes]
}

// remember puts a new entry for an account into a cookie, in the place of the one
// that it had.
func (a *Authenticator) remember(cookie string, account []byte, c Credentials) (string, error) {
	body := make([]byte, idBytes, entryBytes)
	if _, err := rand.Read(body); err != nil {
		return "", err
	}
	body = binary.BigEndian.AppendUint64(body, uint64(a.now().Unix()))
	body = append(body, a.tag(c)...)
	list := []string{base64url.EncodeToString(append(body, a.mac("device", account, body)[:proofBytes]...))}
	for _, entry := range entries(cookie) {
		if _, known := a.device(entry, account); !known && len(entry) == base64url.EncodedLen(entryBytes) && len(list) < maxDevices {
			list = append(list, entry)
		}
	}
	return strings.Join(list, "."), nil
}
