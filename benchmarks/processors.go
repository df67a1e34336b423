package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processorTime is what some work cost on both sides of the wire.
type processorTime struct{ client, server time.Duration }

func clientTime(t processorTime) time.Duration { return t.client }
func serverTime(t processorTime) time.Duration { return t.server }

const (
	timedCalls  = 40_000
	timedRounds = 5
)

// processors compares the processor time of one side of the wire: what limits throughput where all processors are busy.
func processors(ready ready, side func(func(int) error) func(int) error, part func(processorTime) time.Duration) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		w, err := openWorldWith(ctx, 0, ready)
		if err != nil {
			return 0, err
		}
		defer w.close()
		var backend int
		if err := w.pool.QueryRow(ctx, "select pg_backend_pid()").Scan(&backend); err != nil {
			return 0, err
		}
		scoped, bare := side(w.scoped), side(w.bare)
		var ratios []float64
		for round := range timedRounds + 1 {
			x, err := w.cpuOf(backend, func() error { return scoped(timedCalls) })
			if err != nil {
				return 0, err
			}
			y, err := w.cpuOf(backend, func() error { return bare(timedCalls) })
			if err != nil {
				return 0, err
			}
			if round > 0 { // the first one warms up
				ratios = append(ratios, part(x).Seconds()/part(y).Seconds())
			}
		}
		slices.Sort(ratios)
		return ratios[len(ratios)/2], nil
	}
}

// alone has one goroutine make the calls of one side.
func alone(side func(int) error) func(int) error { return side }

// cpuOf gives the processor time that this process and all of the server's use while something runs.
func (w *world) cpuOf(backend int, work func() error) (processorTime, error) {
	before, err := cpuNow(backend)
	if err != nil {
		return processorTime{}, err
	}
	if err := work(); err != nil {
		return processorTime{}, err
	}
	after, err := cpuNow(backend)
	return processorTime{after.client - before.client, after.server - before.server}, err
}

// tick is the unit of /proc's times on Linux.
const tick = 10 * time.Millisecond

// cpuNow gives what this process, and the server with all its processes, have used.
func cpuNow(backend int) (now processorTime, err error) {
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return now, err
	}
	now.client = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	postmaster, _, err := processTimes(strconv.Itoa(backend))
	if err != nil {
		return now, fmt.Errorf("the server's processes must run on this machine: %w", err)
	}
	found, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return now, err
	}
	for _, dir := range found {
		pid := filepath.Base(dir)
		parent, used, err := processTimes(pid)
		if err == nil && (parent == postmaster || pid == postmaster) {
			now.server += used
		}
	}
	return now, nil
}

// processTimes reads a process's parent and times from /proc/<pid>/stat, see proc(5).
func processTimes(pid string) (parent string, used time.Duration, err error) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return "", 0, err
	}
	_, rest, ok := strings.Cut(string(text), ") ") // the name in front may hold anything
	fields := strings.Fields(rest)
	if !ok || len(fields) < 15 {
		return "", 0, errors.New("/proc has another form than expected")
	}
	for _, i := range []int{11, 12, 13, 14} { // its own times, and those of children that it waited for
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return "", 0, err
		}
		used += time.Duration(n) * tick
	}
	return fields[1], used, nil
}
