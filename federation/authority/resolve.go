package authority

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/resolver"
	"hopnhat/federation/trust"
)

// resolveType is the `typ` of what was resolved (OpenID Federation 1.0 §8.3.2).
const resolveType = "resolve-response+jwt"

// serveResolve is §8.3. It answers from what is known: a stranger who names an entity causes
// no request to it.
func (a *Authority) serveResolve(ctx context.Context, form url.Values) (answer, error) {
	subject, err := entity(form, "sub", true)
	if err != nil {
		return answer{}, err
	}
	anchors, err := a.wanted(form["trust_anchor"])
	if err != nil {
		return answer{}, err
	}
	e, err := a.o.Resolver.Resolve(subject, anchors...)
	if err != nil {
		return answer{}, unresolved(err)
	}
	types := slices.DeleteFunc(slices.Clone(form["entity_type"]), func(t string) bool {
		return e.Metadata[federation.EntityType(t)] == nil
	})
	slices.Sort(types)
	token, err := a.answerOf(ctx, e, slices.Compact(types), len(form["entity_type"]) > 0)
	return answer{"application/" + resolveType, token}, err
}

// wanted are the anchors of a request that are anchors here.
func (a *Authority) wanted(texts []string) ([]federation.EntityID, error) {
	if len(texts) == 0 || len(texts) > 16 {
		return nil, refuse(InvalidRequest, "The parameter trust_anchor is missing, or comes more than 16 times.")
	}
	var anchors []federation.EntityID
	for _, text := range texts {
		id, err := federation.ParseEntityID(text)
		if err != nil {
			return nil, refuse(InvalidRequest, "The parameter trust_anchor is not an entity identifier, a URL with https.")
		}
		if slices.Contains(a.o.Resolver.Anchors(), id) {
			anchors = append(anchors, id)
		}
	}
	if len(anchors) == 0 {
		return nil, refuse(InvalidAnchor, "The trust anchor is none of those that are used here.")
	}
	return anchors, nil
}

// unresolved is why nothing was resolved, in the codes of §8.9.
func unresolved(err error) error {
	for kind, code := range map[error]Code{
		resolver.ErrUnknown: NotFound, trust.ErrAnchor: InvalidAnchor, trust.ErrChain: InvalidChain, trust.ErrMetadata: InvalidMetadata,
	} {
		if errors.Is(err, kind) {
			return refuse(code, err.Error())
		}
	}
	return err
}

// answerOf is the signed answer about an entry (§8.3.2): metadata of some types, of all if
// none was asked for. It ends with the chain and with the first of the marks.
func (a *Authority) answerOf(ctx context.Context, e *resolver.Entry, types []string, some bool) (string, error) {
	metadata := e.Metadata
	if some {
		metadata = federation.Metadata{}
		for _, t := range types {
			metadata[federation.EntityType(t)] = e.Metadata[federation.EntityType(t)]
		}
	}
	now, expiry := a.o.Now(), e.Expiry
	marks := []map[string]string{}
	for _, m := range e.Marks {
		if !m.Expiry.IsZero() && !now.Before(m.Expiry) {
			continue
		}
		if !m.Expiry.IsZero() && m.Expiry.Before(expiry) {
			expiry = m.Expiry
		}
		marks = append(marks, map[string]string{"trust_mark_type": m.Type, "trust_mark": m.JWT})
	}
	name := "resolved " + e.Digest + " " + strconv.Itoa(len(marks)) + " " + strconv.FormatBool(some) + " " + strings.Join(types, " ")
	who := asked(ctx)
	if who != "" {
		name += " for " + string(who)
	}
	return a.signWithin(ctx, a.resolved, name, resolveType, func(now time.Time) (any, error) {
		all := map[string]any{
			"iss": a.o.ID, "sub": e.Subject, "iat": now.Unix(), "exp": expiry.Unix(), "metadata": metadata,
			"trust_chain": e.Chain, "trust_marks": marks,
		}
		if who != "" { // §8.3.2: only where who asks proved who it is, and then it alone
			all["aud"] = who
		}
		return all, nil
	})
}
