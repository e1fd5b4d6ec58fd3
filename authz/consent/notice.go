package consent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"hopnhat/authz"
)

// Notice is what a person is shown before she answers for an app. She answers to
// that and to nothing else: the page carries its digest, the answer brings it back,
// and it is held against the notice as it is when the answer is recorded (Law
// 91/2025/QH15 Art. 9(1), (3): she agrees to what she knows).
type Notice struct {
	// Client is the app as it is registered.
	Client *authz.Client
	Items  []Item
	Kept   []authz.Release
	// Level is what the app learns of the sign-in beside a pseudonym.
	Level authz.AuthenticationLevel
	// Locale is the language it is read in, Texts the version of the page's own words
	// and Catalogue that of the catalogue.
	Locale, Texts, Catalogue string
}

// noticeForm is the digest's input. Its members say what may not change between a
// page and its answer.
type noticeForm struct {
	Form                 string
	Client               authz.ClientID
	Name, Owner          authz.LocalizedText
	Verified, OnDevice   bool
	Site                 string
	Logo, Policy, Terms  string
	Locale, Texts, Words string
	Level                authz.AuthenticationLevel
	Items                []noticeItem
	Kept                 []authz.Release
}

type noticeItem struct {
	ID, TextHash string
	Asked        bool
	Covered      string
	// Declaration is the whole of it, also what is not on the page: an app that
	// changes it asks for something else.
	Declaration     authz.Declaration
	Purpose         Purpose
	Basis           LegalBasis
	Registry        authz.LocalizedText
	Owner           string
	Attributes      []noticeAttribute
	Recipients      []Recipient
	Frequency, Life string
	ValidUntil      time.Time
}

type noticeAttribute struct {
	ID                  authz.AttributeID
	Name                authz.LocalizedText
	Required, Sensitive bool
}

// Digest is the SHA-256 of everything that the notice shows, hex.
func (n Notice) Digest() string {
	c := n.Client
	form := noticeForm{
		Form: "notice/1", Client: c.ID, Name: c.Name, Owner: c.Owner, Verified: c.Verified.Holds(), OnDevice: c.OnDevice(), Site: c.Site(),
		Logo: c.LogoURI, Policy: c.PolicyURI, Terms: c.TermsURI, Locale: n.Locale, Texts: n.Texts, Words: n.Catalogue, Kept: n.Kept,
		Level: n.Level,
	}
	for _, i := range n.Items {
		item := noticeItem{
			ID: i.ID, TextHash: i.TextHash, Asked: i.Asked, Declaration: i.Declaration, Purpose: i.Purpose, Basis: i.Basis,
			Registry: i.Registry.Text(), Owner: i.Registry.Owner, Recipients: i.Recipients,
			Frequency: i.Release.Frequency, Life: i.Release.DataLife, ValidUntil: i.Release.ValidUntil.UTC(),
		}
		if i.Covered != nil {
			item.Covered = i.Covered.Reference()
		}
		for _, a := range i.Attributes {
			item.Attributes = append(
				item.Attributes, noticeAttribute{a.Attribute.ID, a.Attribute.Text(), a.Required, a.Attribute.Sensitive()},
			)
		}
		form.Items = append(form.Items, item)
	}
	raw, err := json.Marshal(form)
	if err != nil {
		panic("consent: a notice that cannot be encoded: " + err.Error())
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
