package tool

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// Encoder is the one way in which commands print JSON: UTF-8, with < and & as they are.
func Encoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}

// JSON prints one document, indented.
func (e *Env) JSON(v any) error {
	enc := Encoder(e.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Shape is how a command's JSON is written.
type Shape string

// Shapes of JSON.
const (
	Object  Shape = "one object"
	Array   Shape = "an array of objects"
	PerLine Shape = "one object a line"
)

// JSONAnnotation is the annotation of a command that says what its JSON is.
const JSONAnnotation = "hopnhat_json"

// JSONFlag gives a command --json. sample is of the type that is printed.
func JSONFlag(cmd *cobra.Command, shape Shape, sample any) *bool {
	PrintsJSON(cmd, shape, sample)
	return cmd.Flags().Bool("json", false, "print JSON, "+string(shape))
}

// PrintsJSON says what JSON a command prints: its members are named in the help and in
// docs/commands.md, where programs may rely on them.
func PrintsJSON(cmd *cobra.Command, shape Shape, sample any) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[JSONAnnotation] = string(shape) + ": " + strings.Join(members(reflect.TypeOf(sample), ""), ", ")
}

// Rows prints a list: as JSON, or as a table under its heading. Both have the same rows.
func Rows[T any](e *Env, asJSON bool, heading string, rows []T, cells func(T) []any) error {
	if asJSON {
		if rows == nil {
			rows = []T{}
		}
		return e.JSON(rows)
	}
	return Table(e.Out, heading, rows, cells)
}

// Table prints rows under a heading whose columns are separated by tabs.
func Table[T any](out io.Writer, heading string, rows []T, cells func(T) []any) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, heading)
	for _, row := range rows {
		var line []string
		for _, cell := range cells(row) {
			line = append(line, fmt.Sprint(cell))
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	return w.Flush()
}

// members are the names of the members of what t is encoded as, those of nested objects
// behind a dot. A type that says itself how it is encoded is one member.
func members(t reflect.Type, before string) (names []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			names = append(names, members(field.Type, before)...)
			continue
		case !field.IsExported() || name == "-":
			continue
		case name == "":
			name = field.Name
		}
		names = append(names, before+name)
		if !encodesItself(field.Type) {
			names = append(names, members(field.Type, before+name+".")...)
		}
	}
	return names
}

var (
	marshaler = reflect.TypeFor[json.Marshaler]()
	moment    = reflect.TypeFor[time.Time]()
)

func encodesItself(t reflect.Type) bool {
	return t == moment || t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler)
}

// Value is a value as JSON, for a line of text; a dash where there is none.
func Value(v any) string {
	if v == nil {
		return "-"
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(raw)
}
