package node

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hopnhat/authz/outbox"
	"hopnhat/authz/tally"
	"hopnhat/cmd/logging"
	"hopnhat/keys"
)

// metric is one row of /metrics.
type metric struct {
	// name is stable: alert rules are written on it. A counter's ends in _total.
	name, help string
	// labels are the names of the labels, none for a plain number.
	labels []string
	// read gives the values now to tell.
	read func(n *Node, tell func(value float64, labels ...string))
}

// histogram is a row of /metrics that tells how things spread over tally.Bounds.
type histogram struct {
	name, help string
	labels     []string
	read       func(n *Node, tell func(spread tally.Spread, labels ...string))
}

// plain is a metric without labels.
func plain(name, help string, read func(n *Node) float64) metric {
	return metric{name: name, help: help, read: func(n *Node, tell func(float64, ...string)) { tell(read(n)) }}
}

// metricTable is every number of ours with its meaning, the one place where they
// stand. What a part counts by kind it keeps in a tally.Counter of its own, and has a
// row here that tells All() of it. No label has a value that a caller chose. A part that
// the node's roles do not need is nil, and its rows have no series.
var metricTable = []metric{
	{"hopnhat_http_requests_total", "Answers, by the route's pattern and the class of the status (2xx, 3xx, 4xx, 5xx).", []string{"route", "class"}, func(n *Node, tell func(float64, ...string)) {
		for a, count := range n.server.Answers() {
			tell(float64(count), a.Route, a.Class)
		}
	}},
	{"hopnhat_refusals_total", "Requests of apps that the provider refused, by error code.", []string{"error"}, func(n *Node, tell func(float64, ...string)) {
		if n.provider == nil {
			return
		}
		for code, count := range n.provider.Refused() {
			tell(float64(count), string(code))
		}
	}},
	{"hopnhat_releases_total", "Answers of the broker: released, or the code of the refusal.", []string{"outcome"}, func(n *Node, tell func(float64, ...string)) {
		if n.broker == nil {
			return
		}
		for outcome, count := range n.broker.Answered() {
			tell(float64(count), outcome)
		}
	}},
	{"hopnhat_pings_total", "CIBA pings that apps took (delivered), attempts that failed, and pings given up.", []string{"outcome"}, func(n *Node, tell func(float64, ...string)) {
		if n.pinger == nil {
			return
		}
		// Also while they are zero: an alert adds them to those of logout tokens, and a sum
		// with what is not there is nothing.
		tellOutcomes(n.pinger.Stats(), tell)
	}},
	plain("hopnhat_store_queries_total", "Statements sent to the main database.", func(n *Node) float64 { return float64(n.DB.Stats().Queries) }),
	plain("hopnhat_store_commits_total", "Commits on the main database.", func(n *Node) float64 { return float64(n.DB.Stats().Commits) }),
	plain("hopnhat_keys_signatures_total", "Signatures made.", func(n *Node) float64 { return float64(n.Ring.Stats().Signatures) }),
	plain("hopnhat_keys_calls_total", "Calls to the key store.", func(n *Node) float64 { return float64(n.Ring.Stats().Calls) }),
	{"hopnhat_keys_failures_total", "Uses of keys that failed, by cause.", []string{"cause"}, func(n *Node, tell func(float64, ...string)) {
		failures := n.Ring.Stats().Failures
		for _, cause := range keys.Causes {
			tell(float64(failures[cause]), string(cause))
		}
	}},
	plain("hopnhat_keys_waiting", "Signatures that wait to leave for the key store.", func(n *Node) float64 { return float64(n.Ring.Waiting()) }),
	plain("hopnhat_keys_book_age_seconds", "How long ago the states of the keys were read; at the lease, one minute, this node stops.", func(n *Node) float64 { return n.Ring.Age().Seconds() }),
	plain("hopnhat_keys_missing", "Versions that should be in the key store and are not.", func(n *Node) float64 { return float64(n.Ring.Missing()) }),
	plain("hopnhat_keys_unseen", "Versions that are announced and that the key store does not show; they are passed over.", func(n *Node) float64 { return float64(n.Ring.Unseen()) }),
	plain("hopnhat_keys_overdue", "Active versions that should have had a successor by now.", func(n *Node) float64 { return float64(n.Ring.Overdue()) }),
	{"hopnhat_logout_tokens_total", "Logout tokens that apps took (delivered), attempts that failed, and tokens given up.", []string{"outcome"}, func(n *Node, tell func(float64, ...string)) {
		if n.deliverer == nil {
			return
		}
		tellOutcomes(n.deliverer.Stats(), tell)
	}},
	{"hopnhat_part_up", "Whether a part that the node needs works, 1 or 0: what /readyz tells.", []string{"part"}, func(n *Node, tell func(float64, ...string)) {
		for _, part := range n.watch.Parts() {
			tell(oneIf(!part.Down), part.Name)
		}
	}},
	{"hopnhat_federation_trusted", "Entities of the federations of the anchors that are trusted now.", nil, func(n *Node, tell func(float64, ...string)) {
		if entities, _, ok := n.federation.Trusted(); ok {
			tell(float64(entities))
		}
	}},
	{"hopnhat_federation_first_end_seconds", "In how many seconds the first chain of a trusted entity ends; it counts down while superiors are out of reach.", nil, func(n *Node, tell func(float64, ...string)) {
		if entities, end, ok := n.federation.Trusted(); ok && entities > 0 {
			tell(time.Until(end).Seconds())
		}
	}},
	plain("hopnhat_log_checkpoint_age_seconds", "How old the newest checkpoint of the release log is; while entries come there is one each second.", func(n *Node) float64 {
		age, err := n.log.CheckpointAge(context.Background(), time.Now())
		if err != nil {
			return 0
		}
		return age.Seconds()
	}),
	{"hopnhat_log_cosigned_age_seconds", "How long ago enough witnesses cosigned a checkpoint of a log (release, consent), or the node that writes it began to ask; it is cosigned again each 5 minutes. No series at a node that asks none.", []string{"log"}, func(n *Node, tell func(float64, ...string)) {
		for log, age := range n.log.CosignedAge(time.Now()) {
			tell(age.Seconds(), string(log))
		}
	}},
	{"hopnhat_log_witness_up", "Whether a witness cosigned each log when it was asked last, 1 or 0.", []string{"witness"}, func(n *Node, tell func(float64, ...string)) {
		for name, up := range n.log.Witnesses() {
			tell(oneIf(up), name)
		}
	}},
	{"hopnhat_sign_in_attempts_total", "Attempts at a sign-in, by step (password, code, passkey), by what became of them (right, wrong, throttled, busy, locked, expired, failed), and by whether the browser signed in to the account before.", []string{"step", "result", "known_device"}, func(n *Node, tell func(float64, ...string)) {
		if n.authn == nil {
			return
		}
		for o, count := range n.authn.Attempts() {
			tell(float64(count), o.Step, o.Result, strconv.FormatBool(o.Known))
		}
	}},
	{"hopnhat_sign_in_alarm", "1 while wrong passwords and codes come in numbers: of all sign-ins (nation), or of those for one app (app). Nobody is refused for it; known devices go first.", []string{"scope"}, func(n *Node, tell func(float64, ...string)) {
		if n.authn == nil {
			return
		}
		nation, app := n.authn.Alarms()
		tell(oneIf(nation), "nation")
		tell(oneIf(app), "app")
	}},
	plain("hopnhat_incidents_open", "Incidents in the evidence that two people have not closed yet.", func(n *Node) float64 { return float64(n.board.Open()) }),
	plain("hopnhat_reconcile_age_seconds", "How long ago the evidence of the site was held against its log as a whole, or this node began to; 0 on nodes that do not write the log.", func(n *Node) float64 { return n.reconciling.Age(time.Now()).Seconds() }),
	plain("hopnhat_reconcile_rows_total", "Rows of evidence that this node held against the log.", func(n *Node) float64 { return float64(n.reconciling.Rows()) }),
	{"hopnhat_log_lines_left_out_total", "Lines that were not written since there were too many of their kind, by level; a line each minute says of what.", []string{"level"}, func(_ *Node, tell func(float64, ...string)) {
		// Also while they are zero, or the first lines left out would be no increase.
		counts := logging.LeftOut()
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			tell(float64(counts[level]), strings.ToLower(level.String()))
		}
	}},
	{"hopnhat_federation_entities", "Entities of the federation by what the last walk found of them (trusted, refused, unreachable, one_key, weak_algorithm).", []string{"state"}, func(n *Node, tell func(float64, ...string)) {
		n.federation.Tell(tell)
	}},
	plain("hopnhat_process_cpu_seconds_total", "CPU time of this process, user and system.", func(*Node) float64 { return cpuSeconds() }),
}

// histogramTable is every histogram, with names and labels as in metricTable.
var histogramTable = []histogram{
	{"hopnhat_http_answer_seconds", "How long answers took, by what the caller waits for: a password or code that was sent (sign_in), /par and /authorize (request), /token (token), a release of the broker (release), the rest (other).", []string{"group"}, func(n *Node, tell func(tally.Spread, ...string)) {
		for group, spread := range n.server.Took() {
			tell(spread, string(group))
		}
	}},
}

// metrics are the counters of this process for Prometheus. The benchmark reads
// them before and after a route.
func metrics(n *Node) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), table{n})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// table tells Prometheus the rows of metricTable.
type table struct{ n *Node }

func (m metric) desc() *prometheus.Desc { return prometheus.NewDesc(m.name, m.help, m.labels, nil) }

func (h histogram) desc() *prometheus.Desc { return prometheus.NewDesc(h.name, h.help, h.labels, nil) }

// kind is told by the name, as Prometheus's rules of naming have it.
func (m metric) kind() prometheus.ValueType {
	if strings.HasSuffix(m.name, "_total") {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}

func (t table) Describe(out chan<- *prometheus.Desc) {
	for _, m := range metricTable {
		out <- m.desc()
	}
	for _, h := range histogramTable {
		out <- h.desc()
	}
}

func (t table) Collect(out chan<- prometheus.Metric) {
	for _, m := range metricTable {
		m.read(t.n, func(value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(m.desc(), m.kind(), value, labels...)
		})
	}
	for _, h := range histogramTable {
		h.read(t.n, func(spread tally.Spread, labels ...string) {
			buckets := map[float64]uint64{}
			for i, bound := range tally.Bounds {
				buckets[bound] = spread.Within[i]
			}
			out <- prometheus.MustNewConstHistogram(h.desc(), spread.Count, spread.Sum.Seconds(), buckets, labels...)
		})
	}
}

// oneIf is a yes or no as a number.
func oneIf(up bool) float64 {
	if up {
		return 1
	}
	return 0
}

// cpuSeconds asks the operating system.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Sec) + float64(u.Utime.Usec)/1e6 + float64(u.Stime.Sec) + float64(u.Stime.Usec)/1e6
}

// tellOutcomes gives the counters of a lane of messages to apps, also those that are zero.
func tellOutcomes(s outbox.Stats, tell func(float64, ...string)) {
	tell(float64(s.Delivered), "delivered")
	tell(float64(s.Failed), "failed")
	tell(float64(s.GivenUp), "given_up")
}
