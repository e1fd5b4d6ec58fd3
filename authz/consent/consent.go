package consent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"hopnhat/authz"
)

// State of a consent.
type State string

// The states (research: consent state machine). Suspended, expired and ended
// follow from account and clock and are not stored as such.
const (
	Approved   State = "approved"
	Superseded State = "superseded"
	Withdrawn  State = "withdrawn"
)

// Consent is what a person agreed to with one app for one purpose at one
// register, in its current version.
type Consent struct {
	ID       authz.ConsentID
	Subject  authz.Subject
	Client   authz.ClientID
	Purpose  authz.PurposeID
	Registry authz.RegistryID
	Version  int
	State    State
	// Of the current version:
	Attributes []authz.AttributeID
	Basis      authz.Basis
	Frequency  string
	DataLife   string
	ValidUntil time.Time
	TextHash   string
	Locale     string
	At         time.Time
}

// Live tells whether a consent permits at a time.
func (c *Consent) Live(now time.Time) bool { return c.State == Approved && now.Before(c.ValidUntil) }

// Reference names a consent and its version, as tokens and events do.
func (c *Consent) Reference() string { return fmt.Sprintf("%s#%d", c.ID, c.Version) }

// Version is one step in the life of a consent; it is never changed.
type Version struct {
	Consent    authz.ConsentID
	Number     int
	State      State
	Attributes []authz.AttributeID
	Basis      authz.Basis
	Frequency  string
	DataLife   string
	ValidUntil time.Time
	TextHash   string
	Locale     string
	Channel    string
	ACR        string
	Session    authz.SessionID
	At         time.Time
}

// Next says whether a consent in one state may come into another. A withdrawn
// consent comes back only as a new version that the person agreed to, which is
// how every approval comes about.
func Next(from State, to State) bool {
	switch from {
	case "": // no consent yet
		return to == Approved
	case Approved:
		return to == Withdrawn || to == Superseded
	default:
		return false
	}
}

// Item is one thing the person is asked, or told: one purpose at one register.
type Item struct {
	ID          string
	Release     authz.Release
	Declaration authz.Declaration
	Purpose     Purpose
	Registry    Registry
	Basis       LegalBasis
	// Asked is false for what rests on another basis and is only told.
	Asked      bool
	Attributes []ItemAttribute
	// Covered tells that a live consent covers it.
	Covered *Consent
	// TextHash is over what was shown, so that a wording that changes makes an
	// old consent not cover it.
	TextHash string
}

// ItemAttribute is one tick box, or one line where nothing is asked.
type ItemAttribute struct {
	// ID is the form value: the item and the attribute.
	ID        string
	Attribute Attribute
	Required  bool
}

// Plan is what the person has to be asked for releases that were checked.
func (c *Catalogue) Plan(client *authz.Client, releases []authz.Release, existing []Consent, now time.Time) []Item {
	var items []Item
	for _, r := range releases {
		declaration, ok := declared(client, &r, now)
		if !ok {
			continue // it expired since the request: neither asked nor granted
		}
		item := Item{
			ID: string(r.Purpose) + "/" + string(r.Registry), Release: r, Declaration: *declaration,
		}
		item.Purpose, _ = c.Purpose(r.Purpose)
		item.Registry, _ = c.Registry(r.Registry)
		item.Basis, _ = c.Basis(r.Basis)
		item.Asked = item.Basis.NeedsConsent
		for _, id := range r.Attributes {
			a, _ := c.Attribute(id)
			item.Attributes = append(item.Attributes, ItemAttribute{
				ID: item.ID + "/" + string(id), Attribute: a, Required: slices.Contains(declaration.Required, id),
			})
		}
		item.TextHash = textHash(client, &item)
		for i := range existing {
			if item.Asked && item.covers(&existing[i], now) {
				item.Covered = &existing[i]
			}
		}
		items = append(items, item)
	}
	return items
}

// covers: a live consent counts when the purpose lets consents stand, the words
// are the same, and it has every attribute asked for now.
func (i *Item) covers(c *Consent, now time.Time) bool {
	if c.Purpose != i.Release.Purpose || c.Registry != i.Release.Registry || !c.Live(now) ||
		c.TextHash != i.TextHash || i.Purpose.Mode != "standing" {
		return false
	}
	return !slices.ContainsFunc(i.Release.Attributes, func(a authz.AttributeID) bool { return !slices.Contains(c.Attributes, a) })
}

// textHash is over all words the person reads in both languages, and who asks.
func textHash(client *authz.Client, i *Item) string {
	words := []any{client.ID, client.Name, client.Owner, i.Purpose.VI, i.Purpose.EN, i.Registry.VI, i.Registry.EN,
		i.Basis.ID, i.Basis.VI, i.Basis.EN, i.Declaration.Explanation, i.Release.Frequency, i.Release.DataLife}
	// Which attributes are asked is not in the hash: a consent lists its own.
	raw, err := json.Marshal(words)
	if err != nil {
		panic("consent: words that cannot be encoded: " + err.Error())
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Chosen is the part of an item that was ticked. The required attributes are one
// choice, named by the item; each optional one is a choice of its own. ok is
// false when an optional one was ticked without the required ones.
func (i *Item) Chosen(ticked map[string]bool) (chosen []authz.AttributeID, ok bool) {
	ok = true
	for _, a := range i.Attributes {
		switch {
		case a.Required && ticked[i.ID], !a.Required && ticked[a.ID]:
			chosen = append(chosen, a.Attribute.ID)
		case a.Required:
			ok = false
		}
	}
	return chosen, ok || len(chosen) == 0
}
