package broker

import (
	"net/http"
	"regexp"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/consent"
	"hopnhat/authz/policy"
)

// request is one release request on its way.
type request struct {
	asked  releaseRequest
	access Access
	// client is the app that asks and would receive.
	client *authz.Client
	// owner is the app the grant was given to: client itself, or the one it acts
	// for; actors are then the apps that act, of which client is the first.
	owner   *authz.Client
	actors  []*authz.Client
	started time.Time
	id      string // of the HTTP request
	// unfit says why the case reference, or a text of a body that was not read
	// further, cannot stand in a record; empty when all can. What does not fit is
	// taken out before anything is recorded.
	unfit string
	// redeeming: the grant's code is being redeemed now, see [authz.Demand].
	redeeming bool
}

// requestID takes the caller's name of a request into the evidence only in a
// form that fits there.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); requestIDForm.MatchString(id) && !authz.CarriesNumber(id) {
		return id
	}
	return ""
}

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

// act is the evidence of one decision, made at a time. It holds no value of a
// register.
func (b *Broker) act(q request, live Permission, granted *authz.Release, verdict policy.Verdict, now time.Time) audit.Act {
	a := audit.Act{
		Action: audit.Release, ID: authz.NewID(), App: q.client, At: now,
		Trace:      audit.Trace{Grant: q.access.Grant, Latency: max(0, now.Sub(q.started).Microseconds()), RequestID: q.id},
		Reason:     audit.Reason{Purpose: q.asked.Purpose, CaseReference: q.asked.CaseReference},
		Data:       audit.Data{Registry: q.asked.Registry, Attributes: q.asked.Attributes, Form: b.form(q.asked.Attributes)},
		Decision:   audit.Decision{Code: "released", Determining: verdict.Determining, PolicyHash: verdict.PolicyHash},
		Visibility: audit.Visibility{Sight: audit.Visible},
	}
	if purpose, ok := b.Catalogue.Purpose(q.asked.Purpose); ok {
		a.Visibility.Sight = audit.Sight(purpose.Visibility)
	}
	if !verdict.Permit {
		a.Action, a.Decision.Code = audit.ReleaseDenied, string(verdict.Reasons[0].Code)
	}
	if live.Actor != "" {
		a.Person.Kind = live.Kind
		a = a.By(live.Principal)
		a.Levels = audit.Levels{Account: int(live.Account), ACR: live.Level.ACR()}
	}
	if len(q.access.Actors) > 0 && live.Client != "" {
		// The app that the person agreed with, and how many apps act for it.
		a.Detail = audit.Detail{Action: actingFor, Object: string(live.Client), Count: int64(len(q.access.Actors))}
		for i, actor := range q.access.Actors {
			if i > 0 {
				a.Detail.Text += " "
			}
			a.Detail.Text += string(actor)
		}
	}
	if granted == nil {
		return a
	}
	basis, _ := b.Catalogue.Basis(granted.Basis)
	a.Reason.Basis, a.Reason.Citation = granted.Basis, basis.Citation
	if a.Reason.CaseReference == "" && consent.CheckCaseReference(granted.CaseReference, declaredBy(q.owner, q.asked)) == nil {
		a.Reason.CaseReference = granted.CaseReference
	}
	switch c := live.Consent; {
	case !basis.NeedsConsent:
		a.Consent.NoConsent = basis.Citation
	case c != nil:
		a.Consent.ID, a.Consent.Version, a.Consent.Text = c.ID, c.Version, c.TextHash
		if verdict.Permit {
			a.Ground = live.Agreed
		}
	}
	return a
}

// actingFor is the action of an event whose app acts for another, its object.
const actingFor = "acting-for"

// form says whether values leave, or only a yes or no.
func (b *Broker) form(ids []authz.AttributeID) string {
	for _, id := range ids {
		if a, ok := b.Catalogue.Attribute(id); !ok || !a.Predicate {
			return "value"
		}
	}
	return "predicate"
}
