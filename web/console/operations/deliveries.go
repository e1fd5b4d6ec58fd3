package operations

import (
	"context"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// Bounds of what the address of a list of deliveries says.
const (
	maxClient   = 256
	maxDelivery = 64
)

// Deliveries is the status page of logout tokens: of one app, or what failed.
func (p *Pages) Deliveries(v *page.Visit) error {
	return p.showDeliveries(v, authz.ClientID(v.C.Query("app")), v.C.Query("before"), false)
}

func (p *Pages) showDeliveries(v *page.Visit, client authz.ClientID, before string, retried bool) error {
	if len(client) > maxClient || len(before) > maxDelivery {
		return page.Fault(view.ErrorBadRequest)
	}
	found, err := p.o.Deliveries.Logouts(v.Context, client, before, pageSize+1)
	if err != nil {
		return err
	}
	body := view.Logouts{URL: DeliveriesPath, RetryURL: RetryPath, App: string(client), Retried: retried}
	if body.Apps, err = page.AppChoices(v.Context, p.o.Clients, client); err != nil {
		return err
	}
	if len(found) > pageSize {
		found = found[:pageSize]
		body.Older = deliveriesURL(client, found[pageSize-1].ID)
	}
	if before != "" {
		body.Newer = deliveriesURL(client, "")
	}
	for _, d := range found {
		row := view.LogoutDelivery{
			ID: d.ID, App: page.ClientOrID(v.Context, p.o.Clients, d.Client).Name, Client: string(d.Client),
			Queued: d.Queued(), Attempts: d.Attempts,
			State: view.DeliveryState(d.State()), Cause: view.DeliveryCause(d.Failed.Kind()), Answer: d.Failed.Answer(),
			Consent: d.About != "", Retry: d.Failed != "" && d.State() != session.Delivered,
		}
		if d.Done.IsZero() {
			row.Next = d.Next
		} else {
			row.Done = d.Done
		}
		body.Rows = append(body.Rows, row)
	}
	return v.Show(body, view.OperatorNav(page.ConsolePath, view.SectionLogouts)...)
}

// deliveriesURL is a page of the deliveries to an app.
func deliveriesURL(client authz.ClientID, before string) string {
	q := url.Values{}
	if client != "" {
		q.Set("app", string(client))
	}
	if before != "" {
		q.Set("before", before)
	}
	return DeliveriesPath + "?" + q.Encode()
}

// Retry lets a delivery that failed begin again at once, in one commit with its event.
func (p *Pages) Retry(v *page.Visit) error {
	err := p.o.Deliveries.Tx(v.Context, func(ctx context.Context) error {
		id := v.Field("delivery")
		if err := p.o.Deliveries.RetryLogout(ctx, id, p.o.Now()); err != nil {
			return err
		}
		return p.recordRetry(ctx, v, id)
	})
	if err != nil {
		return err
	}
	p.o.LogoutQueued()
	client := v.Field("app")
	v.FormPath = DeliveriesPath + "?" + url.Values{"app": {client}}.Encode()
	return p.showDeliveries(v, authz.ClientID(client), "", true)
}

// recordRetry records, in the transaction of the context, that an operator let a delivery
// begin again.
func (p *Pages) recordRetry(ctx context.Context, v *page.Visit, delivery string) error {
	_, err := p.o.Scribe.Write(ctx, audit.Act{
		Action: audit.DeliveryRetried, Actor: v.Session.Actor, Person: audit.Person{Role: authz.Operator}, At: p.o.Now(),
		Detail: audit.Detail{Object: delivery}, Levels: audit.Levels{ACR: v.Session.Level.ACR()},
		Trace: audit.Trace{RequestID: v.C.GetRespHeader(fiber.HeaderXRequestID)},
	})
	return err
}
