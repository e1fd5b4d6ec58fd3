package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"hopnhat/cmd/node"
	"hopnhat/store/sqldb"
)

// Key is one row of [Table].
type Key struct {
	// Name is the key in the file. The flag has dashes for underscores, and the variable
	// of the environment is HOPNHAT_ and the name in capitals.
	Name    string
	Value   Value
	Secrecy Secrecy
	// Readers are the commands that the key means something to. Every other command that
	// reads the configuration takes the flag, too, and leaves it aside.
	Readers []Reader
	Meaning string

	// field is where the value goes: a *string, *bool, *int or *time.Duration.
	field func(c *node.Config) any
}

// Flag is the key as a flag, without its dashes.
func (k Key) Flag() string { return strings.ReplaceAll(k.Name, "_", "-") }

// Variable is the key in the environment.
func (k Key) Variable() string { return "HOPNHAT_" + strings.ToUpper(k.Name) }

// Default is the value without any source, empty where it follows from other keys.
func (k Key) Default() string {
	c := node.Defaults()
	return k.Of(&c)
}

// Of shows the value of the key, without a password.
func (k Key) Of(c *node.Config) string {
	switch field := k.field(c).(type) {
	case *bool:
		return strconv.FormatBool(*field)
	case *int:
		return strconv.Itoa(*field)
	case *time.Duration:
		return field.String()
	case *string:
		if k.Secrecy == Password && *field != "" {
			return sqldb.Redacted(*field)
		}
		return *field
	}
	return ""
}

// Set reads a value, and refuses one that is wrong whatever the other keys say. The error
// says what is taken; it holds no password.
func (k Key) Set(c *node.Config, text string) error { return k.Value.parse(text, k.field(c)) }

// Secrecy says what of a value may be shown.
type Secrecy string

// Kinds of secrecy.
const (
	Public   Secrecy = "public"
	Password Secrecy = "password masked"       // an address that may hold a password
	OfSecret Secrecy = "path of a secret file" // the path may be shown, its content not
)

// Reader is a command, or several that read the same keys.
type Reader string

// Readers of the configuration.
const (
	Server   Reader = "serve"
	Demo     Reader = "demo"
	Init     Reader = "init"
	Migrate  Reader = "migrate"
	Registry Reader = "registry"
	Clients  Reader = "client"
	Resource Reader = "resource"
	Accounts Reader = "account"
	Keys     Reader = "keys"
	Vault    Reader = "keys vault-setup"
	Audit    Reader = "audit"
	// Federation is `hopnhat federation subordinate`, `mark` and `upstream`.
	Federation Reader = "federation"
	Log        Reader = "log"
)

// Value is the type of a key.
type Value struct {
	Type     string   // for people: "duration", "host:port"
	Range    string   // what is taken, for people
	Choices  []string // the only values, where there are few
	Required bool     // empty is refused

	parse func(text string, into any) error
}

// text is a value of one line; check, where there is one, says what is wrong with it.
// Empty stands for what the other keys lead to.
func text(kind, taken string, check func(string) error) Value {
	return Value{Type: kind, Range: taken, parse: func(text string, into any) error {
		if strings.ContainsFunc(text, unicode.IsControl) {
			return errors.New("it has a control character; a value is one line")
		}
		if text != "" && check != nil {
			if err := check(text); err != nil {
				return err
			}
		}
		*into.(*string) = text
		return nil
	}}
}

// path is a file or folder.
func path(kind string) Value { return text(kind, "a path", nil) }

// required refuses an empty value.
func required(v Value) Value {
	parse := v.parse
	v.Required = true
	v.parse = func(text string, into any) error {
		if strings.TrimSpace(text) == "" {
			return errors.New("it is empty: name a value, or leave the key out for the default")
		}
		return parse(text, into)
	}
	return v
}

func choice(of ...string) Value {
	v := required(text("choice", strings.Join(of, ", "), func(s string) error {
		if !slices.Contains(of, s) {
			return fmt.Errorf("it is one of %s, not %q", strings.Join(of, ", "), s)
		}
		return nil
	}))
	v.Choices = of
	return v
}

func truth() Value {
	return Value{Type: "boolean", Range: "true or false", Choices: []string{"true", "false"}, parse: func(text string, into any) error {
		truth, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("it is true or false, not %q", text)
		}
		*into.(*bool) = truth
		return nil
	}}
}

func duration(least, most time.Duration) Value {
	return Value{Type: "duration", Range: fmt.Sprintf("%s to %s", least, most), parse: func(text string, into any) error {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("it is a time such as 90s, 15m or 720h, not %q", text)
		}
		if d < least || d > most {
			return fmt.Errorf("it is at least %s and at most %s, not %s", least, most, d)
		}
		*into.(*time.Duration) = d
		return nil
	}}
}

func number(least, most int) Value {
	return Value{Type: "number", Range: fmt.Sprintf("%d to %d", least, most), parse: func(text string, into any) error {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("it is a whole number, not %q", text)
		}
		if n < least || n > most {
			return fmt.Errorf("it is at least %d and at most %d, not %d", least, most, n)
		}
		*into.(*int) = n
		return nil
	}}
}
