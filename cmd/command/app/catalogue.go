package app

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/consent"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
)

// catalogueParts are the parts of the catalogue, as they are named on the command line and
// in JSON.
var catalogueParts = []string{"purposes", "registers", "attributes", "bases"}

// Catalogue is `hopnhat catalogue`. It needs no state: the catalogue is part of the program.
func Catalogue(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:       "list [" + strings.Join(catalogueParts, "|") + "]",
		Short:     "List the whole catalogue or a part of it, in Vietnamese and English",
		Example:   tool.Lines("hopnhat catalogue list purposes", "hopnhat catalogue list --json"),
		ValidArgs: catalogueParts,
		Args: func(_ *cobra.Command, words []string) error {
			if len(words) > 1 || len(words) == 1 && !slices.Contains(catalogueParts, words[0]) {
				return fmt.Errorf("name one of %s, or none for all%s",
					strings.Join(catalogueParts, ", "), config.DidYouMean(words[0], catalogueParts))
			}
			return nil
		},
	}
	asJSON := tool.JSONFlag(cmd, tool.Object, catalogueRows{})
	cmd.RunE = func(_ *cobra.Command, words []string) error {
		if len(words) == 0 {
			words = catalogueParts
		}
		rows := rowsOf(consent.Load(), words)
		if *asJSON {
			return e.JSON(rows)
		}
		return rows.write(e.Out)
	}
	return tool.Group("catalogue", "List purposes, registers, attributes and legal bases that a declaration may name",
		"hopnhat catalogue list purposes", cmd)
}

// The rows of the lists, in both languages.
type (
	purposeRow struct {
		ID        authz.PurposeID     `json:"id"`
		Name      authz.LocalizedText `json:"name"`
		Bases     []authz.Basis       `json:"legal_bases"`
		Asked     string              `json:"consent"`
		MaxDays   int                 `json:"max_days,omitempty"`
		MaxClass  string              `json:"max_class"`
		Predicate bool                `json:"yes_or_no_only,omitempty"`
		Citation  string              `json:"citation"`
	}
	registerRow struct {
		ID    authz.RegistryID    `json:"id"`
		Name  authz.LocalizedText `json:"name"`
		Owner string              `json:"owner"`
	}
	attributeRow struct {
		ID        authz.AttributeID   `json:"id"`
		Register  authz.RegistryID    `json:"registry"`
		Name      authz.LocalizedText `json:"name"`
		Class     string              `json:"class"`
		Predicate bool                `json:"yes_or_no,omitempty"`
		Purposes  []authz.PurposeID   `json:"purposes"`
	}
	basisRow struct {
		ID       authz.Basis         `json:"id"`
		Name     authz.LocalizedText `json:"name"`
		Consent  bool                `json:"needs_consent"`
		Citation string              `json:"citation"`
	}
	catalogueRows struct {
		Purposes   []purposeRow   `json:"purposes,omitempty"`
		Registers  []registerRow  `json:"registers,omitempty"`
		Attributes []attributeRow `json:"attributes,omitempty"`
		Bases      []basisRow     `json:"bases,omitempty"`
	}
)

// rowsOf are the rows of the parts that are wanted.
func rowsOf(c *consent.Catalogue, wanted []string) catalogueRows {
	var all catalogueRows
	if slices.Contains(wanted, "purposes") {
		for _, p := range c.Purposes {
			all.Purposes = append(all.Purposes, purposeRow{
				p.ID, p.Text(), p.AllowedBases, p.Mode, p.MaxDays, p.MaxClass, p.PredicateOnly, p.Citation,
			})
		}
	}
	for _, r := range c.Registries {
		if slices.Contains(wanted, "registers") {
			all.Registers = append(all.Registers, registerRow{r.ID, r.Text(), r.Owner})
		}
		if slices.Contains(wanted, "attributes") {
			for _, a := range r.Attributes {
				all.Attributes = append(all.Attributes, attributeRow{a.ID, r.ID, a.Text(), a.Class, a.Predicate, a.Purposes})
			}
		}
	}
	if slices.Contains(wanted, "bases") {
		for _, b := range c.Bases {
			all.Bases = append(all.Bases, basisRow{b.ID, b.Text(), b.NeedsConsent, b.Citation})
		}
	}
	return all
}

// write prints tables, each name in Vietnamese and English.
func (rows catalogueRows) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	head := ""
	table := func(columns string) {
		fmt.Fprint(w, head+columns+"\n")
		head = "\n" // between two tables
	}
	if len(rows.Purposes) > 0 {
		table("PURPOSE\tLEGAL BASES\tCONSENT\tDAYS\tCLASS\tTÊN\tNAME")
		for _, p := range rows.Purposes {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				p.ID, joined(p.Bases), p.Asked, orDash(p.MaxDays), p.MaxClass, p.Name.VI, p.Name.EN)
		}
	}
	if len(rows.Registers) > 0 {
		table("REGISTER\tOWNER\tTÊN\tNAME")
		for _, r := range rows.Registers {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.ID, r.Owner, r.Name.VI, r.Name.EN)
		}
	}
	if len(rows.Attributes) > 0 {
		table("ATTRIBUTE\tCLASS\tVALUE\tPURPOSES\tTÊN\tNAME")
		for _, a := range rows.Attributes {
			value := "value"
			if a.Predicate {
				value = "yes or no"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", a.ID, a.Class, value, joined(a.Purposes), a.Name.VI, a.Name.EN)
		}
	}
	if len(rows.Bases) > 0 {
		table("LEGAL BASIS\tCONSENT\tCITATION\tTÊN\tNAME")
		for _, b := range rows.Bases {
			needed := "not needed"
			if b.Consent {
				needed = "needed"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", b.ID, needed, b.Citation, b.Name.VI, b.Name.EN)
		}
	}
	return w.Flush()
}

func joined[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, " ")
}

// orDash is a limit in days, or that there is none.
func orDash(days int) string {
	if days == 0 {
		return "-"
	}
	return strconv.Itoa(days)
}
