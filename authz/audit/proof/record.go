package proof

import (
	"encoding/base64"
	"fmt"
	"strings"

	"hopnhat/authz/audit/commitment"
)

// Record is an event as a file carries it: whole, with its salt, or some groups
// of it.
type Record struct {
	Event []byte // canonical event, when the whole is shown
	Salt  commitment.Salt
	// Disclosed are the groups shown, when not the whole is.
	Disclosed *commitment.Disclosure
}

// disclosure is the event in the form from which the leaf is computed.
func (r Record) disclosure() (commitment.Disclosure, error) {
	if r.Disclosed != nil {
		return *r.Disclosed, r.Disclosed.Check()
	}
	id, eventType, groups, err := commitment.Split(r.Event)
	if err != nil {
		return commitment.Disclosure{}, err
	}
	return commitment.Disclose(id, eventType, groups, r.Salt, commitment.Groups()...), nil
}

// check says whether the record is what the leaf commits to.
func (r Record) check(leaf []byte) error {
	d, err := r.disclosure()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForm, err)
	}
	if wrong := d.Mismatch(); len(wrong) > 0 {
		return fmt.Errorf("%w: %q", ErrEvent, wrong)
	}
	if string(d.Leaf()) != string(leaf) {
		return ErrCommitment
	}
	return nil
}

const withheld = "-"

// marshal writes the record's lines.
func (r Record) marshal(b *strings.Builder) {
	if r.Disclosed == nil {
		fmt.Fprintf(b, "event %s\nsalt %s\n", r.Event, base64.StdEncoding.EncodeToString(r.Salt[:]))
		return
	}
	fmt.Fprintf(b, "part-of %s %s\n", r.Disclosed.ID, r.Disclosed.Type)
	for _, p := range r.Disclosed.Parts {
		salt, text := withheld, withheld
		if p.Shown {
			salt, text = base64.StdEncoding.EncodeToString(p.Salt[:]), string(p.JSON)
		}
		fmt.Fprintf(b, "group %s %s %s %s\n", p.Group, Hash(p.Digest), salt, text)
	}
}

// readRecord reads the lines that marshal writes; ok is false where none begins.
func readRecord(in *lines) (r Record, ok bool, err error) {
	if text, ok := in.take("event "); ok {
		salt, err := in.must("salt ")
		if err != nil {
			return r, true, err
		}
		h, err := parseHash(salt)
		if err != nil {
			return r, true, in.wrong("the salt", err)
		}
		return Record{Event: []byte(text), Salt: commitment.Salt(h)}, true, nil
	}
	head, ok := in.take("part-of ")
	if !ok {
		return r, false, nil
	}
	d := &commitment.Disclosure{}
	if d.ID, d.Type, ok = strings.Cut(head, " "); !ok {
		return r, true, in.wrong("the event's id and type", ErrForm)
	}
	for _, g := range commitment.Groups() {
		line, err := in.must("group " + string(g) + " ")
		if err != nil {
			return r, true, err
		}
		fields := strings.SplitN(line, " ", 3)
		if len(fields) != 3 {
			return r, true, in.wrong("group "+string(g), ErrForm)
		}
		p := commitment.Part{Group: g}
		h, err := parseHash(fields[0])
		if err != nil {
			return r, true, in.wrong("the digest of group "+string(g), err)
		}
		p.Digest = commitment.Digest(h)
		if fields[1] != withheld || fields[2] != withheld {
			salt, err := parseHash(fields[1])
			if err != nil {
				return r, true, in.wrong("the salt of group "+string(g), err)
			}
			p.Shown, p.Salt, p.JSON = true, commitment.GroupSalt(salt), []byte(fields[2])
		}
		d.Parts = append(d.Parts, p)
	}
	return Record{Disclosed: d}, true, nil
}

// lines reads a file line by line and knows where it is.
type lines struct {
	rest []string
	n    int
}

// newLines splits a text whose last line ends like the others.
func newLines(text string) *lines {
	return &lines{rest: strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
}

// take reads the next line if it begins so, and gives what follows.
func (l *lines) take(prefix string) (string, bool) {
	if len(l.rest) == 0 {
		return "", false
	}
	text, ok := strings.CutPrefix(l.rest[0], prefix)
	if !ok {
		return "", false
	}
	l.rest, l.n = l.rest[1:], l.n+1
	return text, true
}

// must reads the next line, which begins so.
func (l *lines) must(prefix string) (string, error) {
	text, ok := l.take(prefix)
	if !ok {
		return "", fmt.Errorf("line %d does not begin with %q: %w", l.n+1, strings.TrimSpace(prefix), ErrForm)
	}
	return text, nil
}

// wrong says what is wrong in the line read last.
func (l *lines) wrong(what string, err error) error {
	return fmt.Errorf("line %d: %s: %w", l.n, what, asForm(err))
}

func asForm(err error) error {
	if _, ok := err.(*Failure); ok {
		return err
	}
	return fmt.Errorf("%w: %w", ErrForm, err)
}
