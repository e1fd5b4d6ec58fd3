package reconcile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hopnhat/authz/audit"
)

// Word says more of a finding: one of a list, so that pages have it in each language.
type Word string

// The words. Those of [audit.Fault] are words too.
const (
	NoSeal     Word = "no-seal"     // it carries no MAC, and the log has another leaf or none
	RowAltered Word = "row-altered" // of an app, an API, a role or an incident
	NoEvent    Word = "no-event"
	NotAsSaid  Word = "not-as-said" // by its newest event
	Gone       Word = "gone"
	GivenAgain Word = "given-again" // the next number that is given was given before
	Counted    Word = "counted"     // by the log, and the rows: two numbers
	// Of places whose counter is gone, and of a counter that was made long after them.
	NotCounted  Word = "not-counted"
	CountedAnew Word = "counted-anew"
	AndAfter    Word = "and-after" // so many more after this one: a number
)

var english = map[Word]string{
	Word(audit.FaultAltered):    "its MAC does not hold",
	Word(audit.FaultColumns):    "what is searched by is not what the event says",
	Word(audit.FaultUnsealed):   "it carries no MAC",
	Word(audit.FaultUnreadable): "its bytes are no event",
	Word(audit.FaultMisplaced):  "the log has another leaf at its place",
	NoSeal:                      "it carries no MAC, and the log has another leaf or none",
	RowAltered:                  "its row was altered",
	NoEvent:                     "no event tells of it",
	NotAsSaid:                   "it is not as its newest event says",
	Gone:                        "events tell of it, and it is gone",
	GivenAgain:                  "the next number that is given was given before",
	Counted:                     "the log counted %d, the rows are %d",
	NotCounted:                  "what the log counted from this place on is gone",
	CountedAnew:                 "it was counted long after it was written: what was counted then is gone",
	AndAfter:                    "and %d after it",
}

// Words lists all words, in their order.
func Words() []Word {
	words := make([]Word, 0, len(english))
	for w := range english {
		words = append(words, w)
	}
	slices.Sort(words)
	return words
}

// Numbers is how many numbers stand behind a word.
func (w Word) Numbers() int { return strings.Count(english[w], "%d") }

// with is a word with its numbers, as [Finding.Text] has it.
func (w Word) with(numbers ...int64) string {
	text := string(w)
	for _, n := range numbers {
		text += " " + strconv.FormatInt(n, 10)
	}
	return text
}

// More is the word of a finding, with its numbers. Of a text that is none of the words, as
// another release may write it, known is false.
func (f Finding) More() (word Word, numbers []int64, known bool) {
	parts := strings.Fields(f.Text)
	if len(parts) == 0 {
		return "", nil, false
	}
	word = Word(parts[0])
	for _, part := range parts[1:] {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return "", nil, false
		}
		numbers = append(numbers, n)
	}
	_, known = english[word]
	return word, numbers, known && len(numbers) == word.Numbers()
}

// English is what [Finding.More] says, for tools; a text that is none of the words as it is.
func (f Finding) English() string {
	word, numbers, known := f.More()
	if !known {
		return f.Text
	}
	values := make([]any, len(numbers))
	for i, n := range numbers {
		values[i] = n
	}
	return fmt.Sprintf(english[word], values...)
}
