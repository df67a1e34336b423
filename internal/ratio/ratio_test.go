package ratio

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// work takes time in proportion to units.
func work(units int) Side {
	return func(n int) error {
		x := uint64(n)
		for range n * units * 10_000 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		if x == 0 && n > 0 { // never, but the compiler must not know
			return errors.New("zero")
		}
		return nil
	}
}

func TestCompareGivesTheRatioOfTimes(t *testing.T) {
	value, err := Compare(work(4), work(1), Settings{Slice: 2 * time.Millisecond, Rounds: 9})
	require.NoError(t, err)
	// A busy machine blurs it; that the direction is right is what matters here.
	require.Greater(t, value, 1.5)
	require.Less(t, value, 12.0)
}

func TestCompareGivesTheSidesError(t *testing.T) {
	broken := errors.New("broken")
	fails := func(int) error { return broken }
	for _, sides := range [][2]Side{{fails, work(1)}, {work(1), fails}} {
		_, err := Compare(sides[0], sides[1], Settings{Slice: time.Millisecond, Rounds: 3})
		require.ErrorIs(t, err, broken)
	}
}

func TestAllocsCountsObjects(t *testing.T) {
	var keep []*int
	value, err := Allocs(func(n int) error {
		keep = make([]*int, n)
		for i := range n {
			keep[i] = new(int)
		}
		return nil
	}, 10_000)
	require.NoError(t, err)
	require.Len(t, keep, 10_000)
	require.InDelta(t, 1, value, 0.1)
}

func TestMedianAndPrint(t *testing.T) {
	require.InDelta(t, 2, median([]float64{9, 2, 1}), 0)
	require.InDelta(t, 1.5, median([]float64{2, 1}), 0)
	var out bytes.Buffer
	Print(&out, "query.static.build", 0.01234567, "≤ 0.05")
	require.Equal(t, "ratio query.static.build 0.01235 (goal ≤ 0.05)\n", out.String())
}
