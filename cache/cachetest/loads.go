package cachetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/septum-go/septum/tenant"
)

func loadRules() []rule {
	return []rule{
		{name: "a value is loaded once", threat: "C04", check: loadedOnce},
		{name: "a stampede is one load per tenant", threat: "C04, X01", check: stampede},
		{name: "the loader has the caller's tenant", threat: "X01", check: loaderTenant},
		{name: "a load outlives the caller who began it", threat: "X01, X09", check: outlives},
		{name: "an error of the loader is the caller's, and is not kept", threat: "loads", check: loaderError},
		{name: "no loader brings the program down", threat: "X08", check: badLoaders},
	}
}

func loadedOnce(r *room) error {
	a, _, err := r.two(Options{})
	if err != nil {
		return err
	}
	loads := 0
	for range 3 {
		got, err := a.GetOrLoad("x", func(tenant.Context) (string, error) { loads++; return "v", nil })
		if err != nil || got != "v" {
			return wrong(err, "it gave "+strconv.Quote(got))
		}
	}
	if loads != 1 {
		return fmt.Errorf("it was loaded %d times", loads)
	}
	return expect(a, "x", "v")
}

func stampede(r *room) error {
	contexts, err := r.tenants("a", "b")
	if err != nil {
		return err
	}
	c := r.open(Options{})
	var loads [2]atomic.Int32
	var group sync.WaitGroup
	errs := make([]error, 32)
	for i := range errs {
		group.Go(func() {
			who := i % 2
			want := contexts[who].Tenant().String()
			got, err := c(contexts[who]).GetOrLoad("x", func(tc tenant.Context) (string, error) {
				loads[who].Add(1)
				time.Sleep(50 * time.Millisecond)
				return tc.Tenant().String(), nil
			})
			if err != nil || got != want {
				errs[i] = wrong(err, "a caller got another tenant's value, or none")
			}
		})
	}
	group.Wait()
	if a, b := loads[0].Load(), loads[1].Load(); a != 1 || b != 1 {
		return fmt.Errorf("two tenants with 16 callers each loaded %d and %d times, not once each", a, b)
	}
	return errors.Join(errs...)
}

func loaderTenant(r *room) error {
	contexts, err := r.tenants("a", "b")
	if err != nil {
		return err
	}
	c := r.open(Options{})
	type mark struct{}
	for _, tc := range contexts {
		derived, err := tenant.From(context.WithValue(tc, mark{}, tc.Tenant()))
		if err != nil {
			return err
		}
		_, err = c(derived).GetOrLoad("x", func(got tenant.Context) (string, error) {
			if got.Tenant() != tc.Tenant() || got.Value(mark{}) != tc.Tenant() {
				return "", errors.New("the loader's context is not the caller's tenant's, or lost its values")
			}
			return "v", got.Check()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func outlives(r *room) error {
	contexts, err := r.tenants("a")
	if err != nil {
		return err
	}
	cancelled, cancel := context.WithCancel(contexts[0])
	defer cancel()
	first, err := tenant.From(cancelled)
	if err != nil {
		return err
	}
	c := r.open(Options{})
	begun, release := make(chan struct{}), make(chan struct{})
	load := func(tc tenant.Context) (string, error) {
		close(begun)
		<-release
		return "v", tc.Err() // an error when the first caller's end is the load's
	}
	ended := make(chan error, 1)
	go func() {
		_, err := c(first).GetOrLoad("x", load)
		ended <- err
	}()
	<-begun
	second := make(chan error, 1)
	go func() {
		got, err := c(contexts[0]).GetOrLoad("x", func(tenant.Context) (string, error) { return "", errors.New("a second load began") })
		if err == nil && got != "v" {
			err = errors.New("the value is another one")
		}
		second <- err
	}()
	time.Sleep(50 * time.Millisecond) // the second caller waits by now
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			return wrong(err, "a caller whose context was cancelled did not get context.Canceled")
		}
	case <-time.After(r.patience):
		close(release)
		return errors.New("a caller whose context was cancelled still waits")
	}
	close(release)
	if err := <-second; err != nil {
		return fmt.Errorf("who still waited: %w", err)
	}
	return nil
}

func loaderError(r *room) error {
	a, _, err := r.two(Options{})
	if err != nil {
		return err
	}
	broken := errors.New("no connection")
	if _, err := a.GetOrLoad("x", func(tenant.Context) (string, error) { return "half", broken }); !errors.Is(err, broken) {
		return wrong(err, "the loader's error did not come back")
	}
	got, err := a.GetOrLoad("x", func(tenant.Context) (string, error) { return "v", nil })
	if err != nil || got != "v" {
		return wrong(err, "after a failed load it gave "+strconv.Quote(got))
	}
	return nil
}

func badLoaders(r *room) error {
	a, _, err := r.two(Options{})
	if err != nil {
		return err
	}
	for _, bad := range []struct {
		name string
		load func(tenant.Context) (string, error)
	}{
		{"nil", nil}, // first, since a cache that lets this through may let a panic through, which ends the test
		{"panic", func(tenant.Context) (string, error) { panic("boom") }},
		{"panic(error)", func(tenant.Context) (string, error) { panic(errors.New("boom")) }},
		{"runtime.Error", func(tenant.Context) (string, error) { return make([]string, 0)[runtime.NumCPU()], nil }},
		{"Goexit", func(tenant.Context) (string, error) { runtime.Goexit(); return "v", nil }},
	} {
		if _, err := a.GetOrLoad("x", bad.load); err == nil {
			return fmt.Errorf("a loader that is or does %s was no error", bad.name)
		}
	}
	if _, err := a.GetOrLoadMany([]string{"x"}, nil); err == nil {
		return errors.New("a nil loader of many was no error")
	}
	if _, err := a.GetOrLoadMany([]string{"x"}, func(tenant.Context, []string) (map[string]string, error) { panic("boom") }); err == nil {
		return errors.New("a panic in a loader of many was no error")
	}
	got, err := a.GetOrLoad("x", func(tenant.Context) (string, error) { return "v", nil })
	if err != nil || got != "v" {
		return wrong(err, "after bad loaders a good one gave "+strconv.Quote(got))
	}
	return nil
}
