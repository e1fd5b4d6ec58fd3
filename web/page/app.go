package page

import (
	"context"
	"net/url"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/consent"
	"hopnhat/web/view"
)

// Clients finds the registration of an app.
type Clients interface {
	Client(ctx context.Context, id authz.ClientID) (*authz.Client, error)
}

// ClientOrID is an app's registration, or one that has nothing but its bare id when the
// app is gone.
func ClientOrID(ctx context.Context, clients Clients, id authz.ClientID) *authz.Client {
	if c, err := clients.Client(ctx, id); err == nil {
		return c
	}
	return &authz.Client{ID: id, Name: view.Words{VI: string(id)}}
}

// App is a client as a page shows it.
func App(c *authz.Client) view.App {
	return view.App{
		Name: c.Name, Owner: c.Owner, Verified: c.Verified.Holds(), Site: c.Site(), OnDevice: c.OnDevice(),
		LogoURL: LogoPath(c), PolicyURL: c.PolicyURI, TermsURL: c.TermsURI,
	}
}

// LogoPath is where we serve the logo of an app, empty if it has none. An app that
// nobody vouches for has none: its picture could be the emblem of somebody else.
func LogoPath(c *authz.Client) string {
	if c.LogoURI == "" || !c.Verified.Holds() {
		return ""
	}
	return "/logo/" + url.PathEscape(string(c.ID))
}

// Citation is a citation of the catalogue of laws, which is in English, in the reader's
// language.
func Citation(text string, lang view.Lang) string {
	if lang == view.English {
		return text
	}
	return inVietnamese.Replace(text)
}

var inVietnamese = strings.NewReplacer(
	"Law ", "Luật ", "Decree ", "Nghị định ", "Decision ", "Quyết định ", "Circular ", "Thông tư ",
	"Art. ", "Điều ", " as amended", " (sửa đổi)",
)

// RegistryOwner is the agency that runs a register: the catalogue has "Vietnamese
// (English)".
func RegistryOwner(r consent.Registry) view.Words {
	vi, en, ok := strings.Cut(r.Owner, " (")
	if !ok {
		return view.Words{VI: r.Owner}
	}
	return view.Words{VI: vi, EN: strings.TrimSuffix(en, ")")}
}
