package cachetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/septum-go/septum/tenant"
)

func manyRules() []rule {
	return []rule{
		{name: "many keys are loaded at once, and only those that are missing", threat: "loads", check: loadsMissing},
		{name: "a loader can't store what it was not asked for", threat: "C03", check: notAsked},
		{name: "a failed load of many leaves what was cached", threat: "L03", check: failedMany},
	}
}

func loadsMissing(r *room) error {
	none := errors.New("there is none")
	a, _, err := r.two(Options{NegativeTTL: hour, NotFound: none})
	if err != nil {
		return err
	}
	if err := a.Set("b", "B"); err != nil {
		return err
	}
	asked := 0
	load := func(_ tenant.Context, keys []string) (map[string]string, error) {
		asked++
		slices.Sort(keys)
		if !slices.Equal(keys, []string{"a", "c", "d"}) {
			return nil, fmt.Errorf("the loader was asked for %q, not for the three that are missing", keys)
		}
		return map[string]string{"a": "A", "c": "C"}, nil
	}
	for range 2 {
		got, err := a.GetOrLoadMany([]string{"a", "b", "c", "d", "a"}, load)
		if err != nil {
			return err
		}
		if len(got) != 3 || got["a"] != "A" || got["b"] != "B" || got["c"] != "C" {
			return errors.New("the values are not those of the four keys")
		}
	}
	if asked != 1 {
		return fmt.Errorf("the loader was called %d times; d's absence was not remembered", asked)
	}
	if got, err := a.GetOrLoadMany(nil, load); err != nil || len(got) != 0 {
		return wrong(err, "no keys gave something")
	}
	got, err := a.GetMany([]string{"a", "d", "e"})
	if err != nil || len(got) != 1 || got["a"] != "A" {
		return wrong(err, "of three keys one is cached, and that is not what came back")
	}
	return nil
}

func notAsked(r *room) error {
	a, _, err := r.two(Options{})
	if err != nil {
		return err
	}
	got, err := a.GetOrLoadMany([]string{"a"}, func(tenant.Context, []string) (map[string]string, error) {
		return map[string]string{"a": "A", "z": "Z"}, nil
	})
	if err != nil || len(got) != 1 {
		return wrong(err, "of one key there was not one value")
	}
	return errors.Join(expect(a, "a", "A"), expect(a, "z", ""))
}

func failedMany(r *room) error {
	a, _, err := r.two(Options{})
	if err != nil {
		return err
	}
	if err := a.Set("b", "B"); err != nil {
		return err
	}
	broken := errors.New("no connection")
	got, err := a.GetOrLoadMany([]string{"a", "b"}, func(tenant.Context, []string) (map[string]string, error) { return nil, broken })
	if !errors.Is(err, broken) {
		return wrong(err, "the loader's error did not come back")
	}
	if len(got) != 1 || got["b"] != "B" {
		return errors.New("what was cached was not given beside the error")
	}
	return expect(a, "a", "")
}
