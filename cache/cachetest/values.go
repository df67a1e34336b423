package cachetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/septum-go/septum/tenant"
)

const hour = time.Hour

func valueRules() []rule {
	return []rule{
		{name: "a value comes back as it was stored", threat: "values", check: comesBack},
		{name: "a value expires", threat: "TTL", check: expires},
		{name: "an absence is remembered, and expires", threat: "C04", check: absences},
		{name: "an expired value stands in for a load that fails, until it is deleted", threat: "C06", stale: true, check: staleIfError},
		{name: "a value takes an absence's place, and the reverse", threat: "absences", check: absenceAndValue},
	}
}

func comesBack(r *room) error {
	a, _, err := r.two(Options{})
	if err != nil {
		return err
	}
	for i, value := range []string{"v", " ", "\x00", "\xff\xfe\x00", "nil", "{}", strings.Repeat("long", 25_000)} {
		key := fmt.Sprint("key ", i)
		if err := errors.Join(expect(a, key, ""), a.Set(key, value), expect(a, key, value), a.Set(key, "next"), expect(a, key, "next")); err != nil {
			return fmt.Errorf("value number %d: %w", i, err)
		}
	}
	if err := a.Set("empty", ""); err != nil {
		return err
	}
	if got, err := a.Get("empty"); err != nil || got != "" {
		return wrong(err, "an empty value is a value, and did not come back")
	}
	return nil
}

func expires(r *room) error {
	const ttl = 400 * time.Millisecond
	a, _, err := r.two(Options{TTL: ttl})
	if err != nil {
		return err
	}
	if err := errors.Join(a.Set("x", "v"), expect(a, "x", "v")); err != nil {
		return err
	}
	if _, err := a.GetOrLoad("y", func(tenant.Context) (string, error) { return "v", nil }); err != nil {
		return err
	}
	r.sleep(ttl + ttl/4)
	return errors.Join(expect(a, "x", ""), expect(a, "y", ""))
}

func absences(r *room) error {
	const ttl = 400 * time.Millisecond
	none := errors.New("there is none")
	a, _, err := r.two(Options{NegativeTTL: ttl, NotFound: none})
	if err != nil {
		return err
	}
	loads := 0
	load := func() error {
		_, err := a.GetOrLoad("x", func(tenant.Context) (string, error) {
			loads++
			return "", fmt.Errorf("patient: %w", none)
		})
		return err
	}
	for range 3 {
		if err := load(); !errors.Is(err, none) {
			return wrong(err, "an absence that was loaded is not Options.NotFound")
		}
	}
	if _, err := a.Get("x"); !errors.Is(err, none) {
		return wrong(err, "a cached absence is not Options.NotFound")
	}
	if loads != 1 {
		return fmt.Errorf("an absence was loaded %d times within its NegativeTTL", loads)
	}
	r.sleep(ttl + ttl/4)
	if err := load(); !errors.Is(err, none) || loads != 2 {
		return wrong(err, "an absence was remembered beyond its NegativeTTL")
	}
	return nil
}

func staleIfError(r *room) error {
	const ttl = 200 * time.Millisecond
	none, broken := errors.New("there is none"), errors.New("no connection")
	a, _, err := r.two(Options{TTL: ttl, StaleIfError: hour, NotFound: none})
	if err != nil {
		return err
	}
	keys := []string{"kept", "deleted", "deleted meanwhile", "gone", "invalidated"}
	for _, key := range keys {
		if err := a.Set(key, "old"); err != nil {
			return err
		}
	}
	r.sleep(ttl + ttl/4)
	fail := func(key string, before func() error) error {
		got, err := a.GetOrLoad(key, func(tenant.Context) (string, error) { return "", errors.Join(before(), broken) })
		if err == nil && got != "old" {
			return errors.New("the value is another one")
		}
		return err
	}
	nothing := func() error { return nil }
	if err := errors.Join(expect(a, "kept", ""), fail("kept", nothing), a.Delete("deleted")); err != nil {
		return wrong(err, "an expired value did not stand in for a load that failed")
	}
	if _, err := a.GetOrLoad("gone", func(tenant.Context) (string, error) { return "", none }); !errors.Is(err, none) {
		return wrong(err, "the loader's word that there is none did not come back")
	}
	for key, err := range map[string]error{
		"deleted":           fail("deleted", nothing),
		"deleted meanwhile": fail("deleted meanwhile", func() error { return a.Delete("deleted meanwhile") }),
		"gone":              fail("gone", nothing),
		"invalidated":       fail("invalidated", a.InvalidateTenant),
	} {
		if !errors.Is(err, broken) {
			return wrong(err, "a value came back that was "+key)
		}
	}
	return nil
}

func absenceAndValue(r *room) error {
	none := errors.New("there is none")
	a, _, err := r.two(Options{NegativeTTL: hour, NotFound: none})
	if err != nil {
		return err
	}
	absent := func(tenant.Context) (string, error) { return "", none }
	if _, err := a.GetOrLoad("x", absent); !errors.Is(err, none) {
		return wrong(err, "an absence is not Options.NotFound")
	}
	if err := errors.Join(a.Set("x", "born"), expect(a, "x", "born"), a.Delete("x"), expect(a, "x", "")); err != nil {
		return err
	}
	if _, err := a.GetOrLoad("x", absent); !errors.Is(err, none) {
		return wrong(err, "an absence is not Options.NotFound")
	}
	return errors.Join(a.Delete("x"), expect(a, "x", ""))
}
