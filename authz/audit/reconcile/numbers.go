package reconcile

import (
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Numbered is an event of a person by its number.
type Numbered struct {
	Pseudonym string
	Number    int64
	Event     string
}

// Last is the number that a person was given last.
type Last struct {
	Pseudonym string
	Number    int64
}

// ahead bounds how far numbers may come before their turn: those of one person are given
// one after the other, and ids are made a moment before.
const ahead = 1024

// gapsTold bounds what is told of one gap, which may be as wide as a number is long.
const gapsTold = 16

// Numbers holds the numbers of persons against each other: from 1 on, without gap, none
// twice, up to the one that was given last. Both streams come person by person in one
// order; events of one person roughly in the order of their numbers.
func Numbers(events iter.Seq2[Numbered, error], given iter.Seq2[Last, error], tell func(Finding)) error {
	next, stop := iter.Pull2(given)
	defer stop()
	last, err, more := next()
	// upTo ends all persons before one: those of whom no event is there have a gap from 1.
	upTo := func(pseudonym string, everybody bool) error {
		for more && err == nil && (everybody || last.Pseudonym < pseudonym) {
			p := person{pseudonym: last.Pseudonym, next: 1}
			p.end(last.Number, tell)
			last, err, more = next()
		}
		if err != nil {
			return fmt.Errorf("reading the numbers that persons were given last: %w", err)
		}
		return nil
	}
	var of person
	end := func() error {
		if of.pseudonym == "" {
			return nil
		}
		if err := upTo(of.pseudonym, false); err != nil {
			return err
		}
		known := int64(0)
		if more && last.Pseudonym == of.pseudonym {
			known = last.Number
			last, err, more = next()
		}
		of.end(known, tell)
		return nil
	}
	for e, err := range events {
		if err != nil {
			return fmt.Errorf("reading the numbers of persons: %w", err)
		}
		if e.Number <= 0 {
			continue // of before there were numbers, or of a kind that has none
		}
		if e.Pseudonym != of.pseudonym {
			if err := end(); err != nil {
				return err
			}
			of = person{pseudonym: e.Pseudonym, next: 1, waiting: map[int64]bool{}}
		}
		of.take(e, tell)
	}
	if err := end(); err != nil {
		return err
	}
	return upTo("", true)
}

// person is what is kept of the person whose events come now.
type person struct {
	pseudonym string
	next      int64 // all before it were there, or were told of
	waiting   map[int64]bool
}

func (p *person) take(e Numbered, tell func(Finding)) {
	if e.Number < p.next || p.waiting[e.Number] {
		tell(Finding{Kind: NumberTwice, Pseudonym: p.pseudonym, Number: e.Number, Event: e.Event})
		return
	}
	p.waiting[e.Number] = true
	p.advance()
	if len(p.waiting) > ahead {
		p.skip(slices.Min(slices.Collect(maps.Keys(p.waiting))), tell)
		p.advance()
	}
}

// advance passes over the numbers that are there.
func (p *person) advance() {
	for p.waiting[p.next] {
		delete(p.waiting, p.next)
		p.next++
	}
}

// skip tells of the numbers up to one that is there.
func (p *person) skip(to int64, tell func(Finding)) {
	for n := p.next; n < to && n < p.next+gapsTold; n++ {
		f := Finding{Kind: NumberMissing, Pseudonym: p.pseudonym, Number: n}
		if n == p.next+gapsTold-1 && n+1 < to {
			f.Text = AndAfter.with(to - n - 1)
		}
		tell(f)
	}
	p.next = max(p.next, to)
}

// end holds what came of a person against the number that was given last.
func (p *person) end(last int64, tell func(Finding)) {
	for _, n := range slices.Sorted(maps.Keys(p.waiting)) {
		p.skip(n, tell)
		p.advance()
	}
	switch {
	case last >= p.next:
		p.skip(last+1, tell)
	case last < p.next-1: // somebody set it back, so that numbers are given again
		tell(Finding{Kind: NumberTwice, Pseudonym: p.pseudonym, Number: last + 1, Text: GivenAgain.with()})
	}
}
