package identity

import (
	"context"
	"fmt"
	"log/slog"
	"net/mail"
	"regexp"
	"strings"
	"time"

	"hopnhat/authz"
)

// ContactKind is e-mail or telephone.
type ContactKind string

// The kinds of contact an account has, one of each at most (Decree 69/2024/NĐ-CP
// Art. 7).
const (
	Email ContactKind = "email"
	Phone ContactKind = "phone"
)

// Contact is a contact as it is stored: sealed, and when it was verified, zero if
// it was not.
type Contact struct {
	Subject  authz.Subject
	Kind     ContactKind
	Sealed   []byte
	Verified time.Time
}

// ContactStore keeps contacts.
type ContactStore interface {
	// SaveContact replaces the contact of its kind.
	SaveContact(ctx context.Context, c Contact) error
	// Contacts lists those of a person, by her internal id in the national register.
	Contacts(ctx context.Context, person authz.PersonID) ([]Contact, error)
	// ReplaceContact puts a sealed value that was wrapped anew in the place of the one
	// that was read; when that has changed meanwhile it does nothing.
	ReplaceContact(ctx context.Context, c Contact, fresh []byte) error
}

// Sealer is the part of a keyring that contacts need, see keys.Secrecy.
type Sealer interface {
	Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error)
	Open(ctx context.Context, sealed, aad []byte) (plaintext []byte, stale bool, err error)
	Rewrap(ctx context.Context, sealed []byte) ([]byte, error)
}

// Contacts keeps and reads the contacts of accounts. It is safe for concurrent use.
type Contacts struct {
	Store ContactStore
	Keys  Sealer
}

// contactAAD binds a sealed contact to its account and kind.
func contactAAD(subject authz.Subject, kind ContactKind) []byte {
	return []byte("contact " + string(kind) + " " + string(subject))
}

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`)

// CheckContact refuses what is no address (RFC 5322 addr-spec) or no number in E.164
// form, which OpenID Connect Core §5.1 asks for. The error does not repeat it.
func CheckContact(kind ContactKind, value string) error {
	switch kind {
	case Email:
		a, err := mail.ParseAddress(value)
		if err != nil || a.Name != "" || a.Address != value || len(value) > 254 || strings.ContainsAny(value, " \r\n") {
			return fmt.Errorf("an e-mail address must be of the form name@host, at most 254 bytes")
		}
	case Phone:
		if !e164.MatchString(value) {
			return fmt.Errorf("a telephone number must be + and 8 to 15 digits (E.164)")
		}
	default:
		return fmt.Errorf("there is no contact of kind %q", kind)
	}
	return nil
}

// Set seals and stores a contact; verified is when the person proved that she holds
// it, zero if she has not.
func (c *Contacts) Set(ctx context.Context, subject authz.Subject, kind ContactKind, value string, verified time.Time) error {
	if err := CheckContact(kind, value); err != nil {
		return err
	}
	sealed, err := c.Keys.Seal(ctx, []byte(value), contactAAD(subject, kind))
	if err != nil {
		return fmt.Errorf("sealing a contact: %w", err)
	}
	return c.Store.SaveContact(ctx, Contact{Subject: subject, Kind: kind, Sealed: sealed, Verified: verified})
}

// Verified opens the verified contacts of a person, of the kinds asked for. One that
// was not verified is as one that is not there.
func (c *Contacts) Verified(ctx context.Context, person authz.PersonID, kinds map[ContactKind]bool) (map[ContactKind]string, error) {
	stored, err := c.Store.Contacts(ctx, person)
	if err != nil {
		return nil, err
	}
	out := map[ContactKind]string{}
	for _, contact := range stored {
		if contact.Verified.IsZero() || !kinds[contact.Kind] {
			continue
		}
		value, stale, err := c.Keys.Open(ctx, contact.Sealed, contactAAD(contact.Subject, contact.Kind))
		if err != nil {
			return nil, fmt.Errorf("opening a contact: %w", err)
		}
		out[contact.Kind] = string(value)
		if stale {
			c.rewrap(ctx, contact)
		}
	}
	return out, nil
}

// rewrap brings a contact under the newest key when it is read after a rotation.
func (c *Contacts) rewrap(ctx context.Context, contact Contact) {
	fresh, err := c.Keys.Rewrap(ctx, contact.Sealed)
	if err == nil {
		err = c.Store.ReplaceContact(ctx, contact, fresh)
	}
	if err != nil {
		slog.InfoContext(ctx, "a contact stays under an older key until its next use", "error", err)
	}
}
