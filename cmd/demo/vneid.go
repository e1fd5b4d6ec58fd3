package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"hopnhat/authz"
	"hopnhat/cmd/node"
	"hopnhat/cmd/vneid"
	"hopnhat/federation/upstream"
)

// simulatorAlias is that of the simulator of VNeID at the provider.
const simulatorAlias = "vneid"

// simulatorIssuer is that of the simulator, on a port.
func simulatorIssuer(port int) string { return fmt.Sprintf("http://localhost:%d", port) }

// nameSimulator writes the file by which the provider knows the simulator, and sets its key.
func nameSimulator(c *node.Config, port int) error {
	if c.Upstreams != "" {
		return errors.New("--vneid names the other providers itself, and upstreams is set: leave one out")
	}
	raw, err := json.MarshalIndent(map[string]any{"providers": []any{map[string]any{
		"alias": simulatorAlias, "name": authz.LocalizedText{VI: "VNeID (giả lập)", EN: "VNeID (simulator)"}, "issuer": simulatorIssuer(port),
		"client_id": "hopnhat", "levels": map[string]int{vneid.Level1: 1, vneid.Level2: 2}, "number_claim": vneid.NumberClaim,
	}}}, "", "  ")
	if err != nil {
		return err
	}
	if _, err := upstream.Parse(raw, c.LoopbackIssuer()); err != nil {
		return err
	}
	c.Upstreams = filepath.Join(c.State, "upstreams.json")
	return os.WriteFile(c.Upstreams, append(raw, '\n'), 0o600)
}

// serveSimulator runs the simulator with the persons of the demonstration, until ctx ends.
func serveSimulator(ctx context.Context, b *node.Base, port int, ready func(issuer string)) error {
	var persons []vneid.Person
	for _, one := range people {
		account, err := b.DB.AccountOf(ctx, authz.PersonalNumber(one.Number))
		if err != nil {
			return err
		}
		persons = append(persons, vneid.Person{Number: one.Number, Name: account.Name})
	}
	return vneid.Serve(ctx, port, vneid.Registered("hopnhat", b.Config.Issuer, simulatorAlias), persons, ready)
}
