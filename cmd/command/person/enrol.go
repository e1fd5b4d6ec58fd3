package person

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/keys"
	"hopnhat/store/registry"
)

// Synthetic is a login of an invented person.
type Synthetic struct {
	Number, Password string
	Role             authz.Role // empty: none
}

// enrolled is a synthetic login as it is printed: never a real person's.
type enrolled struct {
	Number   string `json:"number"`
	Password string `json:"password"`
	Seed     string `json:"totp_seed_hex"`
}

// enrolMany opens accounts for synthetic persons, for load and for tests.
func enrolMany(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "enrol", Short: "Open accounts for synthetic persons, and print each login as one JSON object a line", Args: tool.NoWords,
		Long: "Opens accounts for adults of the synthetic nation who have none, and prints number, password and TOTP seed of each as\n" +
			"one JSON object a line. Numbers of other persons are refused.",
		Example: tool.Lines("hopnhat account enrol --count 5"),
	}
	tool.PrintsJSON(cmd, tool.PerLine, enrolled{})
	count := cmd.Flags().Int("count", 10, "how many adults of the synthetic nation to open accounts for")
	return e.WithConfig(cmd, config.Accounts, func(ctx context.Context, c *node.Config, _ []string) error {
		if *count < 1 {
			return fmt.Errorf("--count is %d: open one account or more", *count)
		}
		b, err := node.Open(ctx, c)
		if err != nil {
			return err
		}
		nation, err := registry.Open(ctx, c.Registry)
		if err != nil {
			return errors.Join(err, b.Close())
		}
		defer nation.Close()
		return errors.Join(enrolAdults(ctx, e, b, nation, *count), b.Close())
	})
}

func enrolAdults(ctx context.Context, e *tool.Env, b *node.Base, nation *registry.DB, count int) error {
	const demonstrations = 4 // persons who may have an account already
	people, err := nation.Adults(ctx, count+demonstrations)
	if err != nil {
		return err
	}
	out, done := tool.Encoder(e.Out), 0
	for _, person := range people {
		if done == count {
			return nil
		}
		if person.Number[:3] != "099" {
			return fmt.Errorf("%s is not a synthetic number", authz.PersonalNumber(person.Number))
		}
		if _, err := b.DB.AccountOf(ctx, authz.PersonalNumber(person.Number)); !errors.Is(err, authz.ErrNotFound) {
			continue // has an account
		}
		s := Synthetic{Number: person.Number, Password: "mau-" + person.Number[6:]}
		if err := Enrol(ctx, b, nation, s); err != nil {
			return err
		}
		secret, err := Seed(ctx, b.Ring, s.Number)
		if err != nil {
			return err
		}
		if err := out.Encode(enrolled{s.Number, s.Password, hex.EncodeToString(secret)}); err != nil {
			return err
		}
		if done++; done%500 == 0 && done < count {
			e.Progress("%d of %d accounts", done, count)
		}
	}
	if done < count {
		return fmt.Errorf("the nation has only %d more adults", done)
	}
	return nil
}

// Seed is the seed of one-time codes of a synthetic account, from the keyring, so that it
// can be printed again and is another on each machine.
func Seed(ctx context.Context, ring keys.Secrecy, number string) ([]byte, error) {
	raw, err := ring.Derive(ctx, keys.Secrets, "demo one-time codes "+number)
	if err != nil {
		return nil, err
	}
	return raw[:20], nil
}

// Enrol opens an account for a synthetic person of the nation, once, and gives her role.
func Enrol(ctx context.Context, b *node.Base, nation *registry.DB, s Synthetic) error {
	account, err := b.DB.AccountOf(ctx, authz.PersonalNumber(s.Number))
	if errors.Is(err, authz.ErrNotFound) {
		account, err = open(ctx, b, nation, s)
	}
	if err != nil || s.Role == "" {
		return err
	}
	if has, err := b.DB.RolesOf(ctx, account.Subject); slices.Contains(has, s.Role) || err != nil {
		return err
	}
	_, err = setRole(ctx, b, s.Number, s.Role, audit.RoleGranted, b.DB.GrantRole)
	return err
}

// open opens the account.
func open(ctx context.Context, b *node.Base, nation *registry.DB, s Synthetic) (identity.Account, error) {
	person, err := nation.ByNumber(ctx, s.Number)
	if err != nil {
		return identity.Account{}, err
	}
	account := identity.Account{
		Subject: authz.Subject(authz.NewID()), Kind: authz.Kind(person.Kind), Person: authz.PersonID(person.ID),
		Name: person.Name, Level: 2, Created: time.Now().UTC(),
	}
	secret, err := Seed(ctx, b.Ring, s.Number)
	if err != nil {
		return account, err
	}
	sealed, err := b.Ring.Seal(ctx, secret, authn.SeedAAD(account.Subject))
	if err != nil {
		return account, err
	}
	hash, err := b.Hasher.Hash(ctx, s.Password)
	if err != nil {
		return account, err
	}
	factors := []authn.Held{
		{ID: authn.FactorID(authz.NewID()), Kind: authn.PasswordFactor, Secret: []byte(hash)},
		{ID: authn.FactorID(authz.NewID()), Kind: authn.TOTPFactor, Secret: sealed},
	}
	return account, tool.Administer(ctx, b, func(ctx context.Context) (audit.Act, error) {
		if err := b.DB.InsertAccount(ctx, account, authz.PersonalNumber(s.Number), factors...); err != nil {
			return audit.Act{}, err
		}
		return audit.Act{Action: audit.AccountEnrol, Subject: account.Subject}, addContacts(ctx, b, account, s.Number)
	})
}

// addContacts gives a synthetic person contacts that reach nobody: a host reserved
// for examples, and a number in a range that is not given out.
func addContacts(ctx context.Context, b *node.Base, account identity.Account, number string) error {
	contacts := b.Contacts()
	if err := contacts.Set(ctx, account.Subject, identity.Email, "mau."+number[6:]+"@example.vn", account.Created); err != nil {
		return err
	}
	return contacts.Set(ctx, account.Subject, identity.Phone, "+84000"+number[6:], account.Created)
}
