package signin

import (
	"testing"
	"time"

	"hopnhat/web/view"
)

// TestSourcesUnderOneHeadingHaveItsTerms: what stands once below several sources is
// true of each (Decree 356/2025/NĐ-CP Art. 6: purpose, basis and how long it is kept are
// told before she agrees).
func TestSourcesUnderOneHeadingHaveItsTerms(t *testing.T) {
	until := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	of := func(change func(*view.Purpose)) view.Purpose {
		p := view.Purpose{
			ID: "land.mortgage/civil", Name: view.Words{VI: "Thế chấp"}, Explanation: view.Words{VI: "Để xét."},
			Basis:    view.Words{VI: "Đồng ý"},
			Citation: "Luật 91", Frequency: "once", DataLife: "P1D", ValidUntil: until,
		}
		change(&p)
		return p
	}
	for _, row := range []struct {
		name   string
		change func(*view.Purpose)
		cards  int
	}{
		{"the same terms", func(*view.Purpose) {}, 1},
		{"the app says why of each", func(p *view.Purpose) { p.Explanation.VI = "Để báo." }, 1},
		{"until a second later", func(p *view.Purpose) { p.ValidUntil = until.Add(time.Second) }, 1},
		{"kept longer", func(p *view.Purpose) { p.DataLife = "P3650D" }, 2},
		{"read more often", func(p *view.Purpose) { p.Frequency = "unlimited" }, 2},
		{"longer valid", func(p *view.Purpose) { p.ValidUntil = until.AddDate(0, 1, 0) }, 2},
		{"on another basis", func(p *view.Purpose) { p.Basis.VI = "Theo luật" }, 2},
		{"by another article", func(p *view.Purpose) { p.Citation = "Luật 26" }, 2},
		{"another purpose", func(p *view.Purpose) { p.Name.VI = "Chuyển nhượng" }, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			list := join(nil, of(func(*view.Purpose) {}), view.Source{ID: "land.mortgage/civil"})
			second := of(row.change)
			second.ID = "land.mortgage/land"
			list = join(list, second, view.Source{ID: second.ID})
			if len(list) != row.cards {
				t.Fatalf("got %d cards, want %d: %+v", len(list), row.cards, list)
			}
		})
	}
}
