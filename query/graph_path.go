package query

import (
	"fmt"
	"strconv"
	"strings"
)

// Bounds of what one graph may ask for. Every level is a part of one statement, and PostgreSQL plans it as a whole.
const (
	graphMaxDepth  = 16   // steps of a path
	graphMaxLevels = 48   // levels of a graph
	graphMaxRepeat = 64   // depth of a relation that refers to itself
	graphMaxSlots  = 1000 // columns of the statement; PostgreSQL's own bound is 1,664
	graphMaxNodes  = 1_000_000
)

// graphStep is one step of a path.
type graphStep struct {
	name   string
	repeat int // 1, or the depth of a step that repeats itself
}

// parseGraphPath reads "encounters.observations" or "children*5.staff".
func parseGraphPath(path string) ([]graphStep, error) {
	if len(path) > graphMaxDepth*(maxNameLength+8) {
		return nil, fmt.Errorf("the path is longer than a path can be")
	}
	var steps []graphStep
	for _, text := range strings.Split(path, ".") {
		step, err := parseGraphStep(text)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	if len(steps) > graphMaxDepth {
		return nil, fmt.Errorf("the path has more than %d steps", graphMaxDepth)
	}
	return steps, nil
}

func parseGraphStep(text string) (graphStep, error) {
	name, depth, repeats := strings.Cut(text, "*")
	if rest := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"); rest != "" ||
		name == "" || len(name) > maxNameLength || !isNameStart(name[0]) {
		return graphStep{}, fmt.Errorf("%q is not a step of a path; write names with dots between them: encounters.observations, children*5", shorten(text))
	}
	if !repeats {
		return graphStep{name: name, repeat: 1}, nil
	}
	n, err := strconv.Atoi(depth)
	if err != nil || n < 1 || n > graphMaxRepeat || strconv.Itoa(n) != depth {
		return graphStep{}, fmt.Errorf("the depth in %q is not a number from 1 to %d", shorten(text), graphMaxRepeat)
	}
	return graphStep{name: name, repeat: n}, nil
}
