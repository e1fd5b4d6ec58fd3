package registration

import (
	"bytes"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/change"
	"hopnhat/authz/audit/commitment"
)

// standing is what evidence says of an app before and after a change, beside its metadata:
// what operators decide, and that there is another secret.
type standing struct {
	Metadata
	Disabled bool   `json:"disabled"`
	Verified string `json:"verified_by,omitempty"`
	Secret   string `json:"client_secret,omitempty"`
}

// Act is an act on an app's registration, told alike by the registration
// endpoint and by the tools. It can always become evidence, whatever the registration
// holds: an app with a long list must not be one that nobody can disable.
func Act(action audit.Action, c *authz.Client) audit.Act {
	return audit.Act{
		Action: action, App: c,
		Detail: audit.Detail{Object: commitment.Bounded(string(c.ID)), Text: commitment.Bounded(c.RedirectURIs...)},
	}
}

// Acts are the evidence of a change of an app's registration: the change itself, with what
// was before and is after, and each declaration that changed. before is nil for an app
// that is new. The first commits to the whole registration as it is after.
func Acts(action audit.Action, before, after *authz.Client) ([]audit.Act, error) {
	act := Act(action, after)
	if before != nil {
		was, is := standingOf(before), standingOf(after)
		if len(after.SecretHash) > 0 && !bytes.Equal(before.SecretHash, after.SecretHash) {
			is.Secret = "another" // neither is told
		}
		text, err := change.Text(was, is)
		if err != nil {
			return nil, err
		}
		if text != "" {
			act.Detail.Text = text
		}
	}
	if action != audit.ClientDeleted { // what is left then is the store's to say
		if err := change.Commit(&act, after); err != nil {
			return nil, err
		}
	}
	declared, err := change.Declarations(before, after)
	return append([]audit.Act{act}, declared...), err
}

func standingOf(c *authz.Client) standing {
	s := standing{Metadata: Of(c), Disabled: c.Disabled}
	if c.Verified.Holds() {
		s.Verified = c.Verified.By
	}
	return s
}
