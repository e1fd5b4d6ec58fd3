package view

import "time"

// ProviderButton leads from the sign-in page to another provider.
type ProviderButton struct {
	Name Words
	URL  string
}

// UpstreamFault is why a sign-in by another provider came to nothing.
type UpstreamFault string

// Key is the text in the catalogue.
func (f UpstreamFault) Key() string { return "upstream.fault." + string(f) }

// UpstreamFaults lists all of them.
func UpstreamFaults() []UpstreamFault {
	return []UpstreamFault{"cancelled", "late", "mixed", "untrue", "low", "unlinked", "elsewhere", "another", "locked", "silent", "busy"}
}

// UpstreamProblem says why a sign-in by another provider, or a link, came to nothing, and
// leads back.
type UpstreamProblem struct {
	Fault UpstreamFault
	// Provider is its name; empty where none is known.
	Provider Words
	// Links says that a link was wanted and not a sign-in.
	Links bool
	// BackURL leads on without the provider.
	BackURL string
}

func (UpstreamProblem) page() string { return "UpstreamProblem" }

// UpstreamConfirm asks a person who came back from a provider whether her account is to be
// linked. Field: decision, "link" or "leave".
type UpstreamConfirm struct {
	Form     Form
	Provider Words
}

func (UpstreamConfirm) page() string { return "UpstreamConfirm" }

// Upstreams lists the other providers, with the person's links. A provider posts the field
// provider to LinkURL, a link the field link to UnlinkURL.
type Upstreams struct {
	LinkURL, UnlinkURL string
	// Linked and Unlinked say what was just done.
	Linked, Unlinked bool
	Providers        []Upstream
}

func (Upstreams) page() string { return "Upstreams" }

// Upstream is one provider.
type Upstream struct {
	Alias string
	Name  Words
	// Link names the link; empty where there is none. Then Level, Made and ByNumber say of it.
	Link     string
	Level    int
	Made     time.Time
	ByNumber bool
	// LinkOnly says that nobody signs in by it.
	LinkOnly bool
}
