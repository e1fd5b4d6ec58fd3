package enrolling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/federating"
	"hopnhat/federation/weather"
)

// Weather is `hopnhat federation weather`.
func Weather(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "weather",
		Short: "Say what threatens the federation: what ends first, who is out of reach, keys without a successor",
		Args:  tool.NoWords,
		Long: `Says for each subordinate of a trust anchor, with all that is below it: how many entities are trusted, when the
first chain ends and by whose statement, who was out of reach in the last walk, who has announced no next key,
and who signs with a weak algorithm.
Dự báo cho từng tỉnh, bộ: chuỗi nào hết hạn trước, đơn vị nào không liên lạc được, khóa nào chưa có khóa kế tiếp.

No network is used: it is what a server with anchors gathered in its state folder.`,
		Example: tool.Lines("hopnhat federation weather", "hopnhat federation weather --json"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Object, weather.Forecast{})
	return e.WithConfig(cmd, config.Federation, func(_ context.Context, c *node.Config, _ []string) error {
		entity, err := federating.Read(c.FederationEntity, c.Issuer)
		if err == nil && entity == nil {
			err = errors.New("this server is in no federation: set federation_entity")
		}
		if err != nil {
			return err
		}
		f, err := entity.Weather(c.State)
		if err != nil {
			return err
		}
		if *asJSON {
			return e.JSON(f)
		}
		e.Printf("%s", strings.Map(printable, drawWeather(f)))
		return nil
	})
}

// printable keeps what a terminal shows as it is written.
func printable(r rune) rune {
	if r == '\n' || unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// drawWeather is a forecast for people.
func drawWeather(f weather.Forecast) string {
	var b strings.Builder
	fmt.Fprintf(&b, "known since %s: %d trusted, %d refused, %d out of reach, %d with one key, %d with a weak algorithm\n",
		f.At.Format(time.RFC3339), f.Trusted, f.Refused, f.Unreachable(), f.OneKey(), f.Weak())
	for _, one := range f.Branches {
		fmt.Fprintf(&b, "%s: %d trusted, %d refused", one.Entity, one.Trusted, one.Refused)
		if !one.FirstEnd.IsZero() {
			fmt.Fprintf(&b, ", first end %s (%s about %s)", one.FirstEnd.Format(time.RFC3339), one.EndsIssuer, one.Ends)
		}
		fmt.Fprintf(&b, ", %d with one key\n", len(one.OneKey))
		for _, id := range one.Unreachable {
			fmt.Fprintf(&b, "    out of reach: %s\n", id)
		}
		for _, id := range one.Weak {
			fmt.Fprintf(&b, "    weak algorithm: %s\n", id)
		}
	}
	for i, one := range f.Failures {
		if i == mostDrawn {
			fmt.Fprintf(&b, "and %d failures more: --json has all\n", len(f.Failures)-i)
			break
		}
		fmt.Fprintf(&b, "not got: %s about %s: %s\n", one.Issuer, one.Subject, short(one.Error))
	}
	return b.String()
}
