package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"hopnhat/keys"
	"hopnhat/keys/lifecycle"
	"hopnhat/keys/vault"
)

var keysCommand = verbs(command{
	name: "keys", summary: "Show, rotate, hurry, revoke or move the keys, or set up Vault",
	usage:   "keys status|rotate|activate|revoke|move|vault-policy|vault-setup [flags]",
	example: "hopnhat keys rotate --use token --alg ES256",
}, map[string]func(ctx context.Context, c command, e env, args []string) error{
	"status": keysStatus, "rotate": keysRotate, "activate": keysActivate, "revoke": keysRevoke, "move": keysMove,
	"vault-policy": vaultPolicy, "vault-setup": vaultSetup,
})

// withKeys opens database and keys for a command.
func withKeys(ctx context.Context, c *config, do func(k *lifecycle.Keeper) error) error {
	db, err := c.OpenDatabase(ctx, false)
	if err != nil {
		return err
	}
	defer db.Close()
	k, err := c.OpenKeys(ctx, db, "", false)
	if err != nil {
		return err
	}
	return errors.Join(do(k), k.Close())
}

func keysStatus(ctx context.Context, c command, e env, args []string) error {
	var asJSON, ended bool
	cfg, err := alone(c, e, args, func(f flags) {
		f.BoolVar(&asJSON, "json", false, "one JSON object a line")
		f.BoolVar(&ended, "ended", false, "retired and revoked versions too")
	})
	if err != nil {
		return err
	}
	return withKeys(ctx, cfg, func(k *lifecycle.Keeper) error {
		list, nodes, err := k.Status(ctx, ended)
		if err != nil {
			return err
		}
		if asJSON {
			return printKeysJSON(e, list)
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "USE\tALG\tVERSION\tSTATE\tSINCE\tLIVE SIGNATURES\tKID")
		for _, s := range list {
			state := string(s.State)
			if s.Overdue {
				state += " (overdue)"
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%d\t%s\n", s.Use, s.Algorithm, s.Version, state, since(s.Life).Format(time.DateTime), s.Signatures, s.KeyID)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, s := range list {
			if s.State == keys.Announced && s.Version == 0 {
				fmt.Fprintf(e.out, "%s is not in the key store and is passed over until it is; if nobody knows it: hopnhat keys revoke --why TEXT --yes -- %s\n", s.KeyID, s.KeyID)
				continue
			}
			for _, line := range waitsFor(s, time.Now()) {
				fmt.Fprintf(e.out, "%s waits %s\n", s.KeyID, line)
			}
		}
		fmt.Fprintf(e.out, "nodes that serve the set: %d\n", len(nodes))
		return nil
	})
}

// since is when a version came into its state.
func since(l lifecycle.Life) time.Time {
	last := l.Announced
	for _, at := range []time.Time{l.Published, l.Activated, l.Retiring, l.Ended} {
		if at.After(last) {
			last = at
		}
	}
	return last.UTC()
}

// waitsFor says in words what a version waits for before it signs.
func waitsFor(s lifecycle.Status, now time.Time) []string {
	var out, parties []string
	for _, b := range s.Blockers {
		switch {
		case b.Node != "":
			out = append(out, "for node "+b.Node+" to serve it")
		case b.Party != "":
			parties = append(parties, b.Party)
		default:
			out = append(out, "until "+b.Until.UTC().Format(time.DateTime)+", when cached sets have run out ("+b.Until.Sub(now).Round(time.Second).String()+")")
		}
	}
	if len(parties) > 0 {
		shown := strings.Join(parties[:min(20, len(parties))], ", ")
		if more := len(parties) - 20; more > 0 {
			shown += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, fmt.Sprintf("for %d apps that have not fetched it: %s; `hopnhat keys activate -- %s` waits for none", len(parties), shown, s.KeyID))
	}
	return out
}

func printKeysJSON(e env, list []lifecycle.Status) error {
	out := json.NewEncoder(e.out)
	for _, s := range list {
		nodes, parties := []string{}, []string{}
		var until *time.Time
		for _, b := range s.Blockers {
			switch {
			case b.Node != "":
				nodes = append(nodes, b.Node)
			case b.Party != "":
				parties = append(parties, b.Party)
			default:
				until = &b.Until
			}
		}
		if err := out.Encode(map[string]any{
			"use": s.Use, "alg": s.Algorithm, "version": s.Version, "kid": s.KeyID, "state": s.State, "since": since(s.Life),
			"live_signatures": s.Signatures, "overdue": s.Overdue, "urgent": s.Urgent,
			"waits_for_nodes": nodes, "waits_for_apps": parties, "waits_until": until,
		}); err != nil {
			return err
		}
	}
	return nil
}

func keysRotate(ctx context.Context, c command, e env, args []string) error {
	var use, alg string
	var now bool
	cfg, err := alone(c, e, args, func(f flags) {
		f.StringVar(&use, "use", string(keys.TokenSigning), "token, federation, request-decryption or secrets")
		f.StringVar(&alg, "alg", "", "algorithm of the key; ES256 for tokens and federation")
		f.BoolVar(&now, "now", false, "do not wait for relying parties: sign as soon as every node serves it")
	})
	if err != nil {
		return err
	}
	algorithm, err := rotating(keys.Use(use), keys.Algorithm(alg))
	if err != nil {
		return err
	}
	return withKeys(ctx, cfg, func(k *lifecycle.Keeper) error {
		made, err := k.Rotate(ctx, keys.Use(use), algorithm, now)
		if err != nil {
			return err
		}
		if made.KeyID == "" {
			fmt.Fprintln(e.out, "a new version wraps data keys from now on; stored secrets follow as they are used")
			return nil
		}
		fmt.Fprintf(e.out, "%s is announced; it signs when every node serves it", made.KeyID)
		if !now {
			fmt.Fprintf(e.out, ", cached sets have run out (%s) and the apps have fetched it", cfg.JWKSCache)
		}
		fmt.Fprintln(e.out, ": see `hopnhat keys status`")
		return nil
	})
}

// rotating gives the algorithm of what can be rotated by hand.
func rotating(use keys.Use, alg keys.Algorithm) (keys.Algorithm, error) {
	fixed := map[keys.Use]keys.Algorithm{keys.EntityStatement: keys.ES256, keys.RequestDecryption: keys.RSAOAEP256, keys.Secrets: ""}
	switch only, ok := fixed[use]; {
	case ok && alg != "" && alg != only:
		return "", fmt.Errorf("the key for %s has the algorithm %q only", use, only)
	case ok:
		return only, nil
	case use == keys.TokenSigning && alg == "":
		return keys.ES256, nil
	case use == keys.TokenSigning && slices.Contains(keys.OpenIDSignatures, alg):
		return alg, nil
	case use == keys.TokenSigning:
		return "", fmt.Errorf("tokens are signed with %v, not %q", keys.OpenIDSignatures, alg)
	case use == keys.PairwiseSubject:
		return "", errors.New("the key of the pseudonyms never changes: every citizen would become another")
	case use == keys.LogCheckpoint:
		return "", errors.New("a checkpoint key changes with a quarter's log, so that a shard has one key: see docs/keys.md")
	}
	return "", fmt.Errorf("there is no use %q: token, federation, request-decryption or secrets", use)
}

func keysActivate(ctx context.Context, c command, e env, args []string) error {
	cfg, rest, err := begin(c, e, args, nil)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return errors.New("name one key id, as `hopnhat keys status` shows it")
	}
	return withKeys(ctx, cfg, func(k *lifecycle.Keeper) error {
		if err := k.Urge(ctx, keys.KeyID(rest[0])); err != nil {
			return err
		}
		fmt.Fprintln(e.out, rest[0], "signs as soon as every node serves it, and waits for no app")
		return nil
	})
}

func keysRevoke(ctx context.Context, c command, e env, args []string) error {
	var why string
	var alone, yes bool
	cfg, rest, err := begin(c, e, args, func(f flags) {
		f.StringVar(&why, "why", "", "the reason, for the evidence")
		f.BoolVar(&yes, "yes", false, "do it: every token the key signed ends at once")
		f.BoolVar(&alone, "without-successor", false, "even if no new version can be made: nothing is signed then")
	})
	switch {
	case err != nil:
		return err
	case len(rest) != 1:
		return errors.New("name one key id after the flags, as `hopnhat keys status` shows it")
	case why == "":
		return errors.New("say --why: it stands in the evidence")
	}
	return withKeys(ctx, cfg, func(k *lifecycle.Keeper) error {
		if !yes {
			list, _, err := k.Status(ctx, true)
			if err != nil {
				return err
			}
			for _, s := range list {
				if string(s.KeyID) == rest[0] {
					return fmt.Errorf("this ends %d tokens that may still be live, of %s %s (%s); say --yes to do it", s.Signatures, s.Use, s.Algorithm, s.State)
				}
			}
			return fmt.Errorf("version %s: %w", rest[0], keys.ErrNoKey)
		}
		done, err := k.Revoke(ctx, keys.KeyID(rest[0]), why, alone)
		if done.Life.KeyID != "" {
			fmt.Fprintf(e.out, "%s is revoked\n", done.Life.KeyID)
			if done.Successor != "" {
				fmt.Fprintf(e.out, "%s takes its place as soon as every node serves it, within seconds\n", done.Successor)
			}
			switch {
			case errors.Is(done.Destroyed, lifecycle.ErrNotInStore):
				fmt.Fprintln(e.out, "the key store does not have it: it signed nothing, and there is nothing to destroy")
			case done.Destroyed != nil:
				fmt.Fprintf(e.out, "the key store could not be told to use it no more: %v\n", done.Destroyed)
			}
		}
		if err != nil {
			return err
		}
		return awaitRevocation(ctx, k, e, done.Life.KeyID)
	})
}

// awaitRevocation waits until no live node serves the version; each has counted
// by then what it signed with it.
func awaitRevocation(ctx context.Context, k *lifecycle.Keeper, e env, id keys.KeyID) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	told := 0
	for {
		tokens, left, err := k.Ended(ctx, id)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			fmt.Fprintf(e.out, "no node serves it any more; %d tokens ended\n", tokens)
			return nil
		}
		if len(left) != told {
			told = len(left)
			fmt.Fprintf(e.out, "waiting for %d nodes to drop it\n", told)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("these nodes do not answer, and stop by themselves a minute after they last could: %v; %d tokens ended so far", left, tokens)
		case <-ticker.C:
		}
	}
}

func vaultPolicy(_ context.Context, c command, e env, args []string) error {
	var role string
	cfg, err := alone(c, e, args, func(f flags) {
		f.StringVar(&role, "role", "serving", "serving, rotation, move for bringing keys in, or delivery for who starts a node")
	})
	if err != nil {
		return err
	}
	policies := cfg.VaultOptions().Policies()
	text, ok := map[string]string{"serving": policies.Serving, "rotation": policies.Rotation, "move": policies.Move, "delivery": policies.Delivery}[role]
	if !ok {
		return fmt.Errorf("there is no role %q: serving, rotation, move or delivery", role)
	}
	fmt.Fprint(e.out, text)
	return nil
}

func vaultSetup(ctx context.Context, c command, e env, args []string) error {
	cfg, err := alone(c, e, args, nil)
	if err != nil {
		return err
	}
	s, err := vault.Open(cfg.VaultOptions())
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Ensure(ctx, cfg.KeyRotateEvery); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "the keys are there; Vault makes a new version of each that rotates every %s\n", cfg.KeyRotateEvery)
	return nil
}

// keysMove brings the keys of the folder into Vault. The book of lives does not
// change: a key id is the same wherever its private half is, so nodes can be
// switched one by one, and what either signs the other takes.
func keysMove(ctx context.Context, c command, e env, args []string) error {
	cfg, err := alone(c, e, args, nil)
	if err != nil {
		return err
	}
	if err := cfg.CheckVault(); err != nil {
		return fmt.Errorf("saying where to move the keys, as the move role: %w", err)
	}
	from, err := cfg.OpenKeyFolder(false)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := vault.Open(cfg.VaultOptions())
	if err != nil {
		return err
	}
	defer to.Close()
	all, err := from.Export()
	if err != nil {
		return err
	}
	defer func() {
		for _, m := range all {
			clear(m.Private)
		}
	}()
	if err := to.Import(ctx, all, func(name string, version int) { fmt.Fprintf(e.out, "moved %s, version %d\n", name, version) }); err != nil {
		return err
	}
	fmt.Fprint(e.out, `the keys are in Vault and cannot be read out of it
next: set keystore: vault with the serving role, and restart the nodes one by one;
then delete the folder `+cfg.Keys+` and its backups, and `+"`hopnhat keys rotate --now`"+` each
algorithm with the rotation role, so that no key signs that was ever outside Vault
`)
	return nil
}
