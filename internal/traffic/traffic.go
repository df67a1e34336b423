// Package traffic makes up the requests of ten tenants who share a cache: nine quiet ones with a few hundred keys each, and a
// loud one who makes 95 % of all requests. It is the workload of the fairness test and of the comparison with other engines.
package traffic

import "math/rand/v2"

// The workload's numbers.
const (
	Tenants   = 10      // the first is the loud one
	QuietKeys = 300     // of each quiet tenant, asked for evenly
	LoudKeys  = 1 << 20 // of the loud tenant
	Capacity  = 10_000  // of the cache, in entries
	LoudShare = 0.95    // of all requests
)

// Kind is what the loud tenant does.
type Kind string

// The kinds.
const (
	Scan  Kind = "scan"  // each key in turn, as a report or an export does
	Flood Kind = "flood" // any key, all equally likely, as an attack does
	Zipf  Kind = "zipf"  // some keys much more often than others, as people do
)

// Kinds lists them.
func Kinds() []Kind { return []Kind{Scan, Flood, Zipf} }

// Source gives request after request, always the same ones for a kind and a seed. Not safe for concurrent use.
type Source struct {
	kind Kind
	rand *rand.Rand
	zipf *rand.Zipf
	next uint64
}

// New makes a source.
func New(kind Kind, seed uint64) *Source {
	r := rand.New(rand.NewPCG(seed, 95))
	return &Source{kind: kind, rand: r, zipf: rand.NewZipf(r, 1.01, 1, LoudKeys-1)}
}

// Next is the next request.
func (s *Source) Next() (who int, key uint64) {
	if s.rand.Float64() >= LoudShare {
		return 1 + s.rand.IntN(Tenants-1), s.rand.Uint64N(QuietKeys)
	}
	switch s.kind {
	case Scan:
		s.next = (s.next + 1) % LoudKeys
		return 0, s.next
	case Flood:
		return 0, s.rand.Uint64N(LoudKeys)
	default:
		return 0, s.zipf.Uint64()
	}
}

// Ratios are the part of requests that a cache could answer: all of them, and those of the quiet tenant with the worst luck.
type Ratios struct{ Total, WorstQuiet float64 }

// Run sends requests to a cache: ask reports whether the key was there, and stores it when it was not. The first third of them
// warms the cache up and does not count.
func Run(kind Kind, requests int, ask func(who int, key uint64) bool) Ratios {
	source := New(kind, 1)
	var hits, asked [Tenants]int
	for i := range requests {
		who, key := source.Next()
		hit := ask(who, key)
		if i < requests/3 {
			continue
		}
		asked[who]++
		if hit {
			hits[who]++
		}
	}
	out := Ratios{WorstQuiet: 1}
	allHits, all := 0, 0
	for who := range Tenants {
		allHits, all = allHits+hits[who], all+asked[who]
		if who > 0 {
			out.WorstQuiet = min(out.WorstQuiet, float64(hits[who])/float64(max(1, asked[who])))
		}
	}
	out.Total = float64(allHits) / float64(max(1, all))
	return out
}
