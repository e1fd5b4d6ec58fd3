package view

import "hopnhat/web/view/ways"

// UpstreamProblem says why a sign-in by another provider, or a link, came to nothing, and
// leads back.
type UpstreamProblem struct {
	Fault ways.UpstreamFault
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
	Providers        []ways.Upstream
}

func (Upstreams) page() string { return "Upstreams" }
