package history_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/history"
	"hopnhat/federation/resolver"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

const (
	us  = federation.EntityID("https://neo.example.vn")
	app = federation.EntityID("https://app.example.vn")
)

// room is a resolver's knowledge and a store, in memory.
type room struct {
	at   time.Time
	all  map[federation.EntityID]resolver.Judgement
	rows []history.Row
	// walks are kept walks, read how often the newest verdicts were asked for.
	walks []history.Walk
	read  int
	err   error
}

func (r *room) Judgements() (time.Time, int, map[federation.EntityID]resolver.Judgement) {
	return r.at, 2, r.all
}

func (r *room) NewestVerdicts(context.Context, string) (map[federation.EntityID]string, error) {
	r.read++
	all := map[federation.EntityID]string{}
	for _, row := range r.rows {
		all[row.Entity] = row.Digest
	}
	return all, r.err
}

func (r *room) KeepWalk(_ context.Context, _ string, w history.Walk, rows []history.Row) error {
	if r.err == nil {
		r.walks, r.rows = append(r.walks, w), append(r.rows, rows...)
	}
	return r.err
}

func (r *room) PurgeHistory(context.Context, time.Time, int) (int64, error) { return 0, r.err }

// TestRecord: a verdict is kept when it is another than before, and a walk each time; what is
// signed anew and says the same is no other; an error loses nothing.
func TestRecord(t *testing.T) {
	neo, e := federationtest.New(t, us), federationtest.New(t, app)
	now := federationtest.Now
	judge := func(policy any) resolver.Judgement {
		about := federationtest.Claims{"iat": now.Unix()}
		if policy != nil {
			about["metadata_policy"] = policy
		}
		pool := []statement.Statement{
			federationtest.Parse(t, neo.Configuration(t, nil)), federationtest.Parse(t, neo.About(t, e, about)),
			federationtest.Parse(t, e.Configuration(t, federationtest.Claims{
				"authority_hints": []federation.EntityID{us},
				"metadata":        federationtest.Claims{"openid_relying_party": federationtest.Claims{"subject_type": "pairwise"}},
			})),
		}
		verdicts := trust.Resolve(app, trust.Collect(pool...), []trust.Anchor{{ID: us, Keys: neo.Set(t)}}, now)
		if len(verdicts) != 1 {
			t.Fatalf("%d verdicts", len(verdicts))
		}
		j := resolver.Judgement{Verdict: verdicts[0]}
		if verdicts[0].Valid() {
			j.Digest = verdicts[0].Chain[1].Token()
		}
		return j
	}
	r := &room{}
	rec := &history.Recorder{Store: r, Node: "dc1/a"}
	for i, step := range []struct {
		name string
		all  map[federation.EntityID]resolver.Judgement
		err  error
		rows int
		want func(history.Verdict) bool
	}{
		{"nobody is known", nil, nil, 0, nil},
		{"the database fails", map[federation.EntityID]resolver.Judgement{app: judge(nil)}, errors.New("down"), 0, nil},
		{"it is trusted", map[federation.EntityID]resolver.Judgement{app: judge(nil)}, nil, 1, func(v history.Verdict) bool {
			return v.Trusted && v.Anchor == us && len(v.Chain) == 3 && len(v.Chain[0].Keys) == 1 && v.Error == ""
		}},
		{"it is signed anew", map[federation.EntityID]resolver.Judgement{app: judge(nil)}, nil, 1, nil},
		{
			"a policy refuses it",
			map[federation.EntityID]resolver.Judgement{app: judge(federationtest.Claims{
				"openid_relying_party": federationtest.Claims{"subject_type": federationtest.Claims{"one_of": []string{"public"}}},
			})},
			nil, 2,
			func(v history.Verdict) bool { return !v.Trusted && v.Rule != "" && v.Error != "" && v.AdviceVI != "" },
		},
		{"it is gone", nil, nil, 3, func(v history.Verdict) bool { return v.Gone && !v.Trusted }},
		{"it is still gone", nil, nil, 3, nil},
		{"it is back", map[federation.EntityID]resolver.Judgement{app: judge(nil)}, nil, 4, func(v history.Verdict) bool { return v.Trusted }},
	} {
		now = federationtest.Now.Add(time.Duration(i) * time.Minute)
		r.at, r.all, r.err = now, step.all, step.err
		walks := len(r.walks)
		if err := rec.Record(t.Context(), r); !errors.Is(err, step.err) {
			t.Fatalf("%s: %v", step.name, err)
		}
		if len(r.rows) != step.rows || step.want != nil && !step.want(r.rows[len(r.rows)-1].Verdict) {
			t.Fatalf("%s: %d rows, the last %+v", step.name, len(r.rows), r.rows)
		}
		if step.err == nil && (len(r.walks) != walks+1 || !r.walks[walks].At.Equal(now) || r.walks[walks].Failed != 2) {
			t.Errorf("%s: the walks are %+v", step.name, r.walks)
		}
	}
	// Nothing new is known: no walk is kept. A node that starts again keeps nothing that it kept.
	if err := rec.Record(t.Context(), r); err != nil || len(r.walks) != 7 {
		t.Errorf("the same walk again: %d, %v", len(r.walks), err)
	}
	again := &history.Recorder{Store: r, Node: "dc1/a"}
	if err := again.Record(t.Context(), r); err != nil || len(r.rows) != 4 || len(r.walks) != 8 || r.read != 2 {
		t.Errorf("after a start: %d rows, %d walks, read %d times, %v", len(r.rows), len(r.walks), r.read, err)
	}
}

// TestParseTime: times as people in Viet Nam write them.
func TestParseTime(t *testing.T) {
	want := time.Date(2027, 3, 3, 2, 14, 0, 0, time.UTC)
	for _, text := range []string{"2027-03-03T09:14", "2027-03-03 09:14", "2027-03-03T09:14:00", "2027-03-03T09:14:00+07:00", "2027-03-03T02:14:00Z"} {
		if at, err := history.ParseTime(text); err != nil || !at.Equal(want) {
			t.Errorf("%s: %v, %v", text, at, err)
		}
	}
	for _, text := range []string{"", "3/3/2027", "2027-03-03", "09:14", "2027-02-30T09:14"} {
		if at, err := history.ParseTime(text); err == nil {
			t.Errorf("%q is %v", text, at)
		}
	}
}
