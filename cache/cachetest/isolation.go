package cachetest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/septum-go/septum/tenant"
)

// HostileKeys are keys that a careless encoding confuses with others: separators, wildcards, hash tags, names of other
// tenants, bytes that are no text.
func HostileKeys() []string {
	return []string{
		"x", "b_x", "_b_x", "b/x", "b:x", ":x", "x:", "0/x", "/x", "//x", "../x", "..", ".", "",
		" ", "x ", " x", "\t", "\n", "\r\nDEL x", "\x00", "x\x00", "x\x00y", "\xff\xfe", "é", "e\u0301", "X",
		"*", "?", "[x]", "{x}", "{a}:x", "}x{", "{t:a}", "{t:a_b:0}:g0:x", "g1:x", "%", "%00", "%2F", "x%00", "\\", "\\x00",
		"'", "\"", "`", "$x", "#x", "x#", "a", "a_b", "a_b_x", "null", "0", "-1", "1e3",
		strings.Repeat("k", 300), strings.Repeat("k", 301), strings.Repeat(":", 300),
	}
}

func isolationRules() []rule {
	return []rule{
		{name: "no method works without a tenant", threat: "X02", check: unbound},
		{name: "tenants never meet, whatever their names and keys", threat: "C01, C03", check: neverMeet},
		{name: "deleting is one tenant's", threat: "C02", check: deleteIsOwn},
		{name: "invalidating a tenant leaves the others", threat: "C02", check: invalidateIsOwn},
		{name: "invalidating a tag leaves the others", threat: "C02", tags: true, check: tagIsOwn},
		{name: "an absence is one tenant's", threat: "C01, J09", check: absenceIsOwn},
	}
}

func unbound(r *room) error {
	p := r.open(Options{})(tenant.Context{})
	called := errors.New("the loader was called")
	calls := map[string]func() error{
		"Get":              func() error { _, err := p.Get("x"); return err },
		"GetMany":          func() error { _, err := p.GetMany([]string{"x"}); return err },
		"Set":              func() error { return p.Set("x", "v") },
		"Delete":           func() error { return p.Delete("x") },
		"InvalidateTenant": p.InvalidateTenant,
		"GetOrLoad": func() error {
			_, err := p.GetOrLoad("x", func(tenant.Context) (string, error) { return "", called })
			return err
		},
		"GetOrLoadMany": func() error {
			_, err := p.GetOrLoadMany([]string{"x"}, func(tenant.Context, []string) (map[string]string, error) { return nil, called })
			return err
		},
	}
	if !r.s.NoTags {
		calls["InvalidateTag"] = func() error { return p.InvalidateTag("x") }
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, tenant.ErrUnbound) {
			return wrong(err, name+" on a context without a tenant is not tenant.ErrUnbound")
		}
	}
	return nil
}

// neverMeet stores each key for each of many tenants whose names are each other's beginnings, then reads all of it back. A
// collision shows as a value that names another tenant or key.
func neverMeet(r *room) error {
	names := []string{"a", "a_b", "a_b_x", "a-b", "A", "1", "10", "1_0", "a_", "a__b", "t", "g0", "0"}
	contexts, err := r.tenants(names...)
	if err != nil {
		return err
	}
	c := r.open(Options{})
	keys := HostileKeys()
	mark := func(i int, key string) string { return names[i] + "|" + key }
	for i, tc := range contexts {
		for _, key := range keys {
			if err := c(tc).Set(key, mark(i, key)); err != nil {
				return fmt.Errorf("key %q: Set: %w", key, err)
			}
		}
	}
	for i, tc := range contexts {
		many, err := c(tc).GetMany(keys)
		if err != nil {
			return wrong(err, "many at once")
		}
		for _, key := range keys {
			if err := expect(c(tc), key, mark(i, key)); err != nil {
				return fmt.Errorf("tenant %q, key %q: %w", names[i], key, err)
			}
			if many[key] != mark(i, key) {
				return fmt.Errorf("tenant %q, key %q: GetMany gave another value than Get", names[i], key)
			}
		}
	}
	return nil
}

func deleteIsOwn(r *room) error {
	a, b, err := r.two(Options{})
	if err != nil {
		return err
	}
	return errors.Join(
		a.Set("x", "a"), b.Set("x", "b"), a.Set("y", "a"),
		a.Delete("x", "never stored"),
		expect(a, "x", ""), expect(b, "x", "b"), expect(a, "y", "a"),
		a.Delete(),
		expect(a, "y", "a"),
	)
}

func invalidateIsOwn(r *room) error {
	a, b, err := r.two(Options{})
	if err != nil {
		return err
	}
	return errors.Join(
		a.Set("x", "a"), b.Set("x", "b"), a.Set("y", "a"),
		a.InvalidateTenant(),
		expect(a, "x", ""), expect(a, "y", ""), expect(b, "x", "b"),
		a.Set("x", "again"), // a partition that is held goes on
		expect(a, "x", "again"),
		b.InvalidateTenant(),
		expect(a, "x", "again"), expect(b, "x", ""),
	)
}

func tagIsOwn(r *room) error {
	byFirst := func(_, value string) []string { return []string{value[:1], "all"} }
	a, b, err := r.two(Options{Tags: byFirst})
	if err != nil {
		return err
	}
	return errors.Join(
		a.Set("1", "red"), a.Set("2", "rose"), a.Set("3", "blue"), b.Set("1", "red"),
		a.InvalidateTag("r", "no such tag"),
		expect(a, "1", ""), expect(a, "2", ""), expect(a, "3", "blue"), expect(b, "1", "red"),
		a.Set("3", "red"), // which takes it out of b's group
		a.InvalidateTag("b"),
		expect(a, "3", "red"),
		a.InvalidateTag("all"),
		expect(a, "3", ""), expect(b, "1", "red"),
	)
}

func absenceIsOwn(r *room) error {
	none := errors.New("there is none")
	a, b, err := r.two(Options{NegativeTTL: hour, NotFound: none})
	if err != nil {
		return err
	}
	if _, err := a.GetOrLoad("x", func(tenant.Context) (string, error) { return "", none }); !errors.Is(err, none) {
		return wrong(err, "the loader's error did not come back")
	}
	got, err := b.GetOrLoad("x", func(tenant.Context) (string, error) { return "b", nil })
	if err != nil || got != "b" {
		return wrong(err, "what one tenant does not have was not loaded for another")
	}
	return nil
}
