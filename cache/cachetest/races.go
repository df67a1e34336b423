package cachetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/septum-go/septum/tenant"
)

// raceRules are about loads that were under way when the truth changed (C06).
func raceRules() []rule {
	byValue := func(_, value string) []string { return []string{value} }
	outdated := func(o Options, want string, change func(p Partition) error) func(*room) error {
		return func(r *room) error { return outdatedLoad(r, o, want, change) }
	}
	return []rule{
		{name: "a load older than InvalidateTenant is not kept", threat: "C06",
			check: outdated(Options{}, "new", func(p Partition) error { return p.InvalidateTenant() })},
		{name: "a load older than Delete is not kept", threat: "C06",
			check: outdated(Options{}, "new", func(p Partition) error { return p.Delete("x") })},
		{name: "a load older than InvalidateTag is not kept", threat: "C06", tags: true,
			check: outdated(Options{Tags: byValue}, "new", func(p Partition) error { return p.InvalidateTag("old") })},
		{name: "a load older than Set does not overwrite it", threat: "C06",
			check: outdated(Options{}, "set", func(p Partition) error { return p.Set("x", "set") })},
		{name: "a load of many older than InvalidateTenant is not kept", threat: "C06", check: outdatedMany},
		{name: "an invalidation does not outdate others' loads", threat: "C02", check: othersLoad},
	}
}

// outdatedLoad begins a load, changes the truth while it runs, and looks at what a caller gets who comes later: before the load
// has ended, and after it.
func outdatedLoad(r *room, o Options, want string, change func(p Partition) error) error {
	a, _, err := r.two(o)
	if err != nil {
		return err
	}
	begun, release := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, err := a.GetOrLoad("x", func(tenant.Context) (string, error) {
			close(begun)
			<-release
			return "old", nil
		})
		first <- err
	}()
	<-begun
	if err := change(a); err != nil {
		close(release)
		return err
	}
	later := make(chan error, 1)
	go func() { later <- expectLoad(a, want) }()
	select {
	case err = <-later:
	case <-time.After(r.patience):
		err = errors.New("who asked after the change waits for the load that began before it")
	}
	close(release)
	if err := errors.Join(err, <-first); err != nil {
		return err
	}
	time.Sleep(20 * time.Millisecond) // a cache may store after it has answered
	if err := expectLoad(a, want); err != nil {
		return fmt.Errorf("after the older load has ended: %w", err)
	}
	return nil
}

func expectLoad(p Partition, want string) error {
	got, err := p.GetOrLoad("x", func(tenant.Context) (string, error) { return "new", nil })
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("a caller got %q, where %q is the truth since before it asked", got, want)
	}
	return nil
}

func outdatedMany(r *room) error {
	a, _, err := r.two(Options{})
	if err != nil {
		return err
	}
	begun, release := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, err := a.GetOrLoadMany([]string{"x", "y"}, func(_ tenant.Context, keys []string) (map[string]string, error) {
			close(begun)
			<-release
			return map[string]string{"x": "old", "y": "old"}, nil
		})
		first <- err
	}()
	<-begun
	err = a.InvalidateTenant()
	close(release)
	if err := errors.Join(err, <-first); err != nil {
		return err
	}
	time.Sleep(20 * time.Millisecond)
	return errors.Join(expect(a, "x", ""), expect(a, "y", ""))
}

func othersLoad(r *room) error {
	a, b, err := r.two(Options{})
	if err != nil {
		return err
	}
	begun, release := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, err := b.GetOrLoad("x", func(tenant.Context) (string, error) {
			close(begun)
			<-release
			return "b", nil
		})
		first <- err
	}()
	<-begun
	err = errors.Join(a.InvalidateTenant(), a.Delete("x"), a.Set("x", "a"))
	close(release)
	if err := errors.Join(err, <-first); err != nil {
		return err
	}
	return expect(b, "x", "b")
}
