package sqlproof

import (
	"context"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Two variables change what the tests of non-interference try. Without them every run tries the same, so that a failure
// comes from the change under test; "make fuzz MUTANTS=2000000" tries others.
const (
	mutantsEnv = "SEPTUM_MUTANTS" // how many mutants are proved
	seedEnv    = "SEPTUM_SEED"    // a number, or "random"
)

// trials reads how many statements to try, and from which seed to make them.
func trials(t *testing.T, total int) (int, uint64) {
	t.Helper()
	if testing.Short() { // the race detector's run: it looks for races, which show early
		total /= 200
	}
	if s := os.Getenv(mutantsEnv); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		total = n
	}
	seed := uint64(1)
	switch s := os.Getenv(seedEnv); s {
	case "":
	case "random":
		seed = uint64(time.Now().UnixNano())
	default:
		n, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
		seed = n
	}
	t.Logf("seed %d", seed)
	return total, seed
}

// Non-interference, the property itself: whatever is accepted gives the same in two databases that agree only on tenant 1,
// and leaves other tenants' rows alone.
func TestMutantsDoNotInterfere(t *testing.T) {
	t.Parallel()
	total, seed := trials(t, 200_000)
	const workers = 2
	debug.SetGCPercent(400) // for this process; a fifth of its time went there
	catalogs := []*Catalog{corpusCatalog(t), closedCatalog(t)}
	seeds := corpusStatements(t)
	known := &statements{}
	sums := make(chan tally, workers)
	for worker := range workers {
		w := newWorlds(t)
		m := newMutator(seed+uint64(worker), seeds)
		go func() { sums <- w.try(t, m, catalogs, known, total/workers) }()
	}
	var sum tally
	for range workers {
		sum.add(<-sums)
	}
	t.Logf("mutants: proved %d, accepted %d, executed %d, interfered %d", sum.proved, sum.accepted, sum.ran, sum.interfered)
	require.Zero(t, sum.interfered)
	if total >= 200_000 {
		require.Greater(t, sum.ran, total/200, "too few mutants ran to say anything")
	}
}

// corpusStatements are those of the corpus files.
func corpusStatements(t *testing.T) (list []string) {
	t.Helper()
	for _, file := range corpusFiles {
		for _, tc := range readCorpus(t, file) {
			list = append(list, tc.sql)
		}
	}
	return list
}

// statements are those that were tried.
type statements struct {
	sync.Mutex
	seen map[string]bool
}

// add reports whether a statement is new.
func (s *statements) add(sql string) bool {
	s.Lock()
	defer s.Unlock()
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	known := s.seen[sql]
	s.seen[sql] = true
	return !known
}

// try proves mutants, and runs those that are accepted.
func (w *worlds) try(t *testing.T, m *mutator, catalogs []*Catalog, known *statements, total int) (sum tally) {
	for sum.proved < total {
		sql := m.next()
		if sql == "" || len(sql) > 4000 {
			continue
		}
		proof, err := Prove(sql, catalogs[sum.proved%len(catalogs)], 1, AllowMerge)
		sum.proved++
		if err != nil {
			continue
		}
		sum.accepted++
		if !known.add(sql) || volatile.MatchString(sql) {
			continue
		}
		how, ran := w.differ(context.Background(), sql, writing.MatchString(sql))
		if ran {
			sum.ran++
		}
		if how != "" {
			sum.interfered++
			if sum.interfered < 5 {
				t.Errorf("interferes: %s\n%s\n%s", sql, proof, how)
			}
		}
	}
	return sum
}

type tally struct{ proved, accepted, ran, interfered int }

func (a *tally) add(b tally) {
	a.proved += b.proved
	a.accepted += b.accepted
	a.ran += b.ran
	a.interfered += b.interfered
}

var (
	volatile = regexp.MustCompile(`(?i)random|uuid|now\(|clock|timeofday|current_|localtime|statement_timestamp|transaction_timestamp|SKIP LOCKED`)
	writing  = regexp.MustCompile(`(?i)\b(insert|update|delete|merge)\b`)
)
