package suite

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Result is how a module ended, from best to worst.
type Result int

// The results: everything held; a person must look; something advisable did not
// hold; something required did not hold.
const (
	Pass Result = iota
	Review
	Warning
	Fail
)

func (r Result) String() string { return [...]string{"pass", "review", "warning", "fail"}[r] }

// MarshalText writes the word.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Condition is one thing that was looked at.
type Condition struct {
	Result Result
	Clause string
	Want   string
	Got    string
}

// Outcome is what came of one module.
type Outcome struct {
	Plan    string
	Variant Variant
	Module  Module
	Result  Result
	// Reasons are the conditions that made the result, the worst first.
	Reasons []Condition
	Log     []Entry
	Began   time.Time
	Took    time.Duration
}

// Reason is the first of the worst, in one line.
func (o Outcome) Reason() string {
	if len(o.Reasons) == 0 {
		return ""
	}
	c := o.Reasons[0]
	text := c.Clause + ": " + c.Want
	if c.Got != "" {
		text += "; got " + c.Got
	}
	return text
}

// Conditions counts those that were looked at.
func (o Outcome) Conditions() int {
	n := 0
	for _, e := range o.Log {
		if e.Condition != nil {
			n++
		}
	}
	return n
}

// MarshalJSON is one line of the --json file.
func (o Outcome) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Plan       string  `json:"plan"`
		Variant    Variant `json:"variant"`
		Module     string  `json:"module"`
		Result     Result  `json:"result"`
		Reason     string  `json:"reason,omitempty"`
		Conditions int     `json:"conditions"`
		Seconds    float64 `json:"seconds"`
	}{o.Plan, o.Variant, o.Module.Name, o.Result, o.Reason(), o.Conditions(), o.Took.Seconds()})
}

// maxShown bounds a value in a condition.
const maxShown = 600

// shown writes a value that was got.
func shown(value any) string {
	var text string
	switch v := value.(type) {
	case nil:
		return ""
	case error:
		text = v.Error()
	case string:
		text = fmt.Sprintf("%q", v)
	case fmt.Stringer:
		text = v.String()
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			raw = fmt.Append(nil, v)
		}
		text = string(raw)
	}
	return Cut(text, maxShown)
}

// Cut shortens a text between characters.
func Cut(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
