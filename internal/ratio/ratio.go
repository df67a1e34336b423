// Package ratio measures how long one piece of code takes compared with another one, on machines whose speed drifts.
//
// The two run in turn, in short slices, many times; each pair of slices gives a ratio, and the median of them counts.
// What slows the machine down slows both sides of a pair.
package ratio

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

// Side is one side of a comparison: it does its work n times.
type Side func(n int) error

// Settings say how long to measure. Their zero value is right for code that takes less than a millisecond.
type Settings struct {
	Slice  time.Duration // how long one slice takes at least; default 10 ms
	Rounds int           // how many pairs of slices; default 41
}

// Compare gives the median of the time of a divided by the time of b.
func Compare(a, b Side, s Settings) (float64, error) {
	if s.Slice == 0 {
		s.Slice = 10 * time.Millisecond
	}
	if s.Rounds == 0 {
		s.Rounds = 41
	}
	na, err := calibrate(a, s.Slice)
	if err != nil {
		return 0, err
	}
	nb, err := calibrate(b, s.Slice)
	if err != nil {
		return 0, err
	}
	ratios := make([]float64, 0, s.Rounds)
	for round := range s.Rounds {
		first, second, nFirst, nSecond := a, b, na, nb
		if round%2 == 1 { // who goes second finds warmer caches
			first, second, nFirst, nSecond = b, a, nb, na
		}
		x, err := perCall(first, nFirst)
		if err != nil {
			return 0, err
		}
		y, err := perCall(second, nSecond)
		if err != nil {
			return 0, err
		}
		if round%2 == 1 {
			x, y = y, x
		}
		ratios = append(ratios, x/y)
	}
	return median(ratios), nil
}

// Allocs gives how many heap objects one call of a allocates, on average over n calls.
func Allocs(a Side, n int) (float64, error) {
	if err := a(n); err != nil { // warm up
		return 0, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := a(n)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n), err
}

// Print writes one line of a report: "ratio <name> <value> (goal …)".
func Print(w io.Writer, name string, value float64, goal string) {
	fmt.Fprintf(w, "ratio %s %.4g (goal %s)\n", name, value, goal)
}

// calibrate finds how many calls fill a slice. It believes the fastest of three tries: one that had to wait for a processor would
// make slices so short that their own beginning and end are measured.
func calibrate(side Side, slice time.Duration) (int, error) {
	for n := 1; ; n *= 2 {
		took, err := perCall(side, n)
		for range 2 {
			if err != nil || took*float64(n) < slice.Seconds()/2 {
				break
			}
			var again float64
			again, err = perCall(side, n)
			took = min(took, again)
		}
		if err != nil {
			return 0, err
		}
		if total := took * float64(n); total >= slice.Seconds()/2 || n >= 1<<28 {
			return max(1, int(slice.Seconds()/took)), nil
		}
	}
}

func perCall(side Side, n int) (float64, error) {
	start := time.Now()
	err := side(n)
	return time.Since(start).Seconds() / float64(n), err
}

func median(values []float64) float64 {
	slices.Sort(values)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}
