package consent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hopnhat/authz"
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
	// Ended is the newest version that was no approval: a withdrawal or an expiry.
	// What was granted on an earlier version ended with it, and a new agreement
	// does not bring it back. It is read where releases are decided, else zero.
	Ended int
	// Of the current version: what was agreed to, and what stood on the page, of
	// which the rest was left out.
	Attributes []authz.AttributeID
	Offered    []authz.AttributeID
	Basis      authz.Basis
	Frequency  string
	DataLife   string
	ValidUntil time.Time
	TextHash   string
	Locale     string
	// At is the time of the version, Agreed that of the newest approval, which is
	// another once the consent has ended; it is read for the person, else zero.
	At     time.Time
	Agreed time.Time
}

// Live reports whether a consent permits at a time.
func (c *Consent) Live(now time.Time) bool { return c.State == Approved && now.Before(c.ValidUntil) }

// StateAt is the state a person is shown: time and lock act before anything is
// written.
func (c *Consent) StateAt(now time.Time, locked bool) State {
	switch {
	case c.State == Approved && !now.Before(c.ValidUntil):
		return Expired
	case c.State == Approved && locked:
		return Suspended
	default:
		return c.State
	}
}

// Reference names a consent and its version, as tokens and events do.
func (c *Consent) Reference() string { return fmt.Sprintf("%s#%d", c.ID, c.Version) }

// ParseReference reads what Reference writes.
func ParseReference(text string) (id authz.ConsentID, version int, ok bool) {
	name, number, found := strings.Cut(text, "#")
	version, err := strconv.Atoi(number)
	if !found || name == "" || err != nil || version < 1 || strconv.Itoa(version) != number {
		return "", 0, false
	}
	return authz.ConsentID(name), version, true
}

// Uses tells how often a consent let data go, and when last.
type Uses struct {
	Count int
	Last  time.Time
}

// Version is one step in the life of a consent; it is never changed.
type Version struct {
	Consent    authz.ConsentID
	Number     int
	State      State
	Attributes []authz.AttributeID
	Offered    []authz.AttributeID
	Basis      authz.Basis
	Frequency  string
	DataLife   string
	ValidUntil time.Time
	TextHash   string
	Locale     string
	// Notice is the digest of the whole page that was answered ([Notice.Digest]);
	// empty where no page was.
	Notice  string
	Channel string
	ACR     string
	Session authz.SessionID
	// Who acted, and for whom; of the clock there is no actor.
	authz.Principal
	At time.Time
}

// Item is one thing the person is asked, or told: one purpose at one register.
type Item struct {
	ID          string
	Release     authz.Release
	Declaration authz.Declaration
	Purpose     Purpose
	Registry    Registry
	Basis       LegalBasis
	// Asked is false for an item that is shown but not asked: it rests on another basis
	// than consent, or a live consent covers it.
	Asked      bool
	Attributes []ItemAttribute
	// Covered is the live consent that covers it, nil if none does.
	Covered *Consent
	// TextHash is over what was shown, so that a wording that changes makes an
	// old consent not cover it.
	TextHash string
	// Informed is what she was told before of a release that is not asked for.
	Informed Informed
	// Recipients are the names of the apps that may receive the data too.
	Recipients []Recipient
}

// Recipient is an app that may receive data when it acts for the one that asks.
type Recipient struct {
	ID   authz.ClientID
	Name authz.LocalizedText
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
		if !ok || !c.still(declaration, &r) {
			continue // it expired or grew narrower since the request: neither asked nor granted
		}
		item := Item{
			ID: string(r.Purpose) + "/" + string(r.Registry), Release: r, Declaration: *declaration,
		}
		item.Release.Recipients = declaration.Recipients
		for _, id := range declaration.Recipients {
			item.Recipients = append(item.Recipients, Recipient{ID: id, Name: authz.LocalizedText{VI: string(id)}})
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
		item.TextHash = c.textHash(client, &item)
		for i := range existing {
			if item.Basis.NeedsConsent && item.covers(&existing[i], now) {
				item.Covered, item.Asked = &existing[i], false
				item.Release.ConsentReference = existing[i].Reference()
				item.Release.ValidUntil = earlier(item.Release.ValidUntil, existing[i].ValidUntil)
			}
		}
		items = append(items, item)
	}
	return items
}

// still reports whether a request that was checked before stays within the declaration
// as it is now.
func (c *Catalogue) still(d *authz.Declaration, r *authz.Release) bool {
	life, limited := days(d.DataLife)
	wantedLife, _ := days(r.DataLife)
	return c.CheckDeclaration(*d) == nil && (!limited || wantedLife <= life) &&
		ParseFrequency(r.Frequency).within(ParseFrequency(d.Frequency)) &&
		!slices.ContainsFunc(r.Attributes, func(a authz.AttributeID) bool { return !slices.Contains(d.Attributes, a) })
}

// Again asks what live consents cover too: the app sent prompt=consent, or the
// page is shown although nothing would have to be asked.
func Again(items []Item) {
	for i := range items {
		items[i].Asked = items[i].Basis.NeedsConsent
	}
}

// covers: a live consent counts when the purpose lets consents stand, the words
// are the same, and every attribute asked for now was on its page: agreed to, or
// optional and left out, which is not asked again at every sign-in. Purposes of the
// other modes are asked each time (Law 91/2025/QH15 Art. 9(4)).
func (i *Item) covers(c *Consent, now time.Time) bool {
	if c.Purpose != i.Release.Purpose || c.Registry != i.Release.Registry || !c.Live(now) ||
		c.TextHash != i.TextHash || c.Basis != i.Release.Basis || i.Purpose.Mode != ModeStanding && i.Purpose.Mode != ModeNone {
		return false
	}
	if !ParseFrequency(i.Release.Frequency).within(ParseFrequency(c.Frequency)) {
		return false
	}
	anyAgreed := false
	for _, a := range i.Release.Attributes {
		switch {
		case slices.Contains(c.Attributes, a):
			anyAgreed = true
		case !slices.Contains(c.Offered, a) || slices.Contains(i.Declaration.Required, a):
			return false
		}
	}
	return anyAgreed
}

// news reports whether a release on another basis than consent says something that the
// person was not told before: it is new, it is said otherwise, or it is more.
func (i *Item) news() bool {
	return !i.Basis.NeedsConsent && (i.Informed.TextHash != i.TextHash ||
		slices.ContainsFunc(i.Release.Attributes, func(a authz.AttributeID) bool { return !slices.Contains(i.Informed.Attributes, a) }))
}

// telling is the record of what the person was told once she has read the item; while
// the words are the same, it includes what she was told before.
func (i *Item) telling() Informed {
	informed := Informed{TextHash: i.TextHash, Attributes: slices.Clone(i.Release.Attributes)}
	if i.Informed.TextHash == i.TextHash {
		informed.Attributes = append(informed.Attributes, i.Informed.Attributes...)
		slices.Sort(informed.Attributes)
		informed.Attributes = slices.Compact(informed.Attributes)
	}
	return informed
}

// grantedRelease is the release that is granted without asking: attributes that the person left
// out of the consent that covers it stay out.
func (i *Item) grantedRelease() authz.Release {
	r := i.Release
	if i.Covered != nil {
		r.Attributes = slices.DeleteFunc(slices.Clone(r.Attributes), func(a authz.AttributeID) bool {
			return !slices.Contains(i.Covered.Attributes, a)
		})
	}
	return r
}

// textHash is over all words the person reads in both languages, and who asks:
// a consent given to other words does not cover the new ones. The names of all
// declared attributes are in it, not only of those asked for now, so that asking
// for fewer needs no new consent, and renaming or declaring one does.
func (c *Catalogue) textHash(client *authz.Client, i *Item) string {
	words := []any{
		client.ID, client.Name, client.Owner, i.Purpose.ID, i.Purpose.VI, i.Purpose.EN, i.Registry.ID, i.Registry.VI, i.Registry.EN,
		i.Basis.ID, i.Basis.VI, i.Basis.EN, i.Declaration.Explanation, i.Release.DataLife,
	}
	for _, id := range slices.Sorted(slices.Values(i.Declaration.Attributes)) {
		a, _ := c.Attribute(id)
		words = append(words, id, a.VI, a.EN, a.Sensitive())
	}
	if len(i.Declaration.Recipients) > 0 {
		words = append(words, "recipients", slices.Sorted(slices.Values(i.Declaration.Recipients)))
	}
	if !i.Basis.NeedsConsent { // of a consent [Item.covers] compares it
		words = append(words, "frequency", i.Release.Frequency)
	}
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
