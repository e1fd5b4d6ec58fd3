// Package provincial makes a server the provider of a province: one with an issuer, keys, a
// database and a log of its own, which signs people in to the apps of the province also when
// the centre is out of reach. It has no national registers and releases nothing.
package provincial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/provider"
	"hopnhat/cmd/node/federating"
	"hopnhat/federation"
	"hopnhat/federation/trust"
)

// maxFile bounds the file in bytes.
const maxFile = 1 << 20

// highest is the level that a sign-in at a province reaches at most: a password and a one-time
// code (Decree 69/2024/NĐ-CP Art. 20). What reaches more is bound to the national host.
const highest authz.AuthenticationLevel = 2

// form is the file as it is written.
type form struct {
	Name authz.LocalizedText `json:"name"`
	// Centre is the issuer of the national provider.
	Centre federation.EntityID `json:"centre"`
	// Anchor is the one under which the centre is known. It may be left out where
	// federation_entity names one anchor.
	Anchor federation.EntityID `json:"anchor"`
	// Mark is the type of the trust mark by which the anchor says that this is the provider
	// of a province.
	Mark string `json:"trust_mark_type"`
}

// Province is what the server is the provider of. Nil is a server that is none.
type Province struct {
	name   authz.LocalizedText
	Centre federation.EntityID
	anchor federation.EntityID
}

// Read reads the file of a province, and that of the entity that the server is in the
// federation; nil if there is no file of a province.
func Read(path, entity, issuer string) (*Province, error) {
	if path == "" {
		return nil, nil
	}
	p, err := read(path, entity, issuer)
	if err != nil {
		return nil, fmt.Errorf("reading regional_provider %s: %w", path, err)
	}
	return p, nil
}

func read(path, entity, issuer string) (*Province, error) {
	var f form
	if err := decode(path, &f); err != nil {
		return nil, err
	}
	centre, err := federation.ParseEntityID(string(f.Centre))
	if err != nil {
		return nil, fmt.Errorf("centre is the issuer of the national provider: %w", err)
	}
	e, err := federating.Read(entity, issuer)
	switch {
	case err != nil:
		return nil, err
	case strings.TrimSpace(f.Name.VI) == "" || authz.CheckText(f.Name.VI) != nil || authz.CheckText(f.Name.EN) != nil:
		return nil, errors.New("name is missing, or not a text: people read there whose provider this is")
	case e == nil:
		return nil, errors.New("federation_entity is not set: the provider of a province is an entity of the federation")
	case centre == e.ID():
		return nil, errors.New("centre is this server itself")
	case len(e.Anchors) == 0:
		return nil, errors.New("federation_entity has no anchors, by which the centre is known")
	case f.Mark == "" || !e.HasMark(f.Mark):
		return nil, fmt.Errorf("trust_marks of federation_entity has no mark of type %q, by which the anchor says "+
			"that this is the provider of a province", f.Mark)
	}
	anchor, err := pinned(f.Anchor, e.Anchors)
	if err != nil {
		return nil, err
	}
	return &Province{name: f.Name, Centre: centre, anchor: anchor}, nil
}

// pinned is the one of the anchors of federation_entity under which centre and provinces know
// each other: what another anchor says of them does not count.
func pinned(named federation.EntityID, anchors []trust.Anchor) (federation.EntityID, error) {
	var ids []string
	for _, a := range anchors {
		if a.ID == named || named == "" && len(anchors) == 1 {
			return a.ID, nil
		}
		ids = append(ids, string(a.ID))
	}
	if named == "" {
		return "", fmt.Errorf("anchor is missing: federation_entity names %s; say under which of them centre and provinces "+
			"know each other", strings.Join(ids, ", "))
	}
	return "", fmt.Errorf("anchor is %q: federation_entity names %s", named, strings.Join(ids, ", "))
}

// decode reads a file of one JSON object without members that nobody knows.
func decode(path string, into any) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return err
	case len(raw) > maxFile:
		return fmt.Errorf("it is longer than %d bytes", maxFile)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON object")
	}
	return nil
}

// Reachable is the highest level that a sign-in reaches here, of one that the factors reach.
func (p *Province) Reachable(level authz.AuthenticationLevel) authz.AuthenticationLevel {
	if p == nil {
		return level
	}
	return min(level, highest)
}

// Limit leaves the factors that work at a province: a passkey is bound to the national host.
func (p *Province) Limit(a *authn.Authenticator) {
	if p != nil {
		a.Only(authn.PasswordFactor, authn.TOTPFactor)
	}
}

// Named is whose provider this is, empty for the national one.
func (p *Province) Named() authz.LocalizedText {
	if p == nil {
		return authz.LocalizedText{}
	}
	return p.name
}

// Consents are those that the provider asks: of a province, without releases.
func (p *Province) Consents(all provider.Consents) provider.Consents {
	if p == nil {
		return all
	}
	return withoutReleases{all}
}

// withoutReleases are the consents of a provider that releases nothing.
type withoutReleases struct{ provider.Consents }

// Details refuses all details.
func (withoutReleases) Details([]byte, *authz.Client) ([]authz.Release, error) {
	return nil, authz.NewError(authz.InvalidAuthorizationDetails,
		"the provider of a province releases nothing: ask the national provider").At("authorization_details").Under("RFC 9396 §5")
}
