package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"hopnhat/authz"
	"hopnhat/store/registry"
)

// enrolled is a synthetic login as it is printed: never a real person's.
type enrolled struct {
	Number   string `json:"number"`
	Password string `json:"password"`
	Seed     string `json:"totp_seed_hex"`
}

// enrolCommand opens accounts for synthetic persons, for load and for tests.
func enrolCommand(ctx context.Context, c command, e env, args []string) error {
	var count int
	cfg, err := alone(c, e, args, func(f flags) {
		f.IntVar(&count, "count", 10, "how many adults of the synthetic nation to open accounts for")
	})
	if err != nil {
		return err
	}
	if count < 1 {
		return fmt.Errorf("--count is %d: open one account or more", count)
	}
	p, err := cfg.open(ctx)
	if err != nil {
		return err
	}
	nation, err := registry.Open(ctx, cfg.Registry)
	if err != nil {
		return errors.Join(err, p.close())
	}
	defer nation.Close()
	return errors.Join(p.enrolMany(ctx, nation, count, json.NewEncoder(e.out)), p.close())
}

func (p *parts) enrolMany(ctx context.Context, nation *registry.DB, count int, out *json.Encoder) error {
	people, err := nation.Adults(ctx, count+len(demoPeople)+1)
	if err != nil {
		return err
	}
	done := 0
	for _, person := range people {
		if done == count {
			return nil
		}
		if person.Number[:3] != "099" {
			return fmt.Errorf("%s is not a synthetic number", authz.PersonalNumber(person.Number))
		}
		if _, err := p.db.AccountOf(ctx, authz.PersonalNumber(person.Number)); !errors.Is(err, authz.ErrNotFound) {
			continue // has an account
		}
		d := demoPerson{number: person.Number, password: "mau-" + person.Number[6:]}
		if err := p.enrol(ctx, nation, d); err != nil {
			return err
		}
		secret, err := seed(ctx, p.ring, d.number)
		if err != nil {
			return err
		}
		if err := out.Encode(enrolled{d.number, d.password, hex.EncodeToString(secret)}); err != nil {
			return err
		}
		done++
	}
	if done < count {
		return fmt.Errorf("the nation has only %d more adults", done)
	}
	return nil
}
