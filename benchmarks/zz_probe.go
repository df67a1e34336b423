package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/blob/fsblob"
)

type timedDriver struct {
	blob.Driver
	ns atomic.Int64
}

func (d *timedDriver) Put(ctx context.Context, key blob.Key, r io.Reader) error {
	s := time.Now()
	err := d.Driver.Put(ctx, key, r)
	d.ns.Add(int64(time.Since(s)))
	return err
}

func selfCPU() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// pgCPU sums the postgres processes below the data directory's postmaster.
func pgCPU(ppid string) (total time.Duration) {
	out, _ := exec.Command("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null").Output()
	for _, line := range strings.Split(string(out), "\n") {
		i := strings.LastIndex(line, ")")
		if i < 0 || !strings.Contains(line[:i], "(postgres") {
			continue
		}
		f := strings.Fields(line[i+2:])
		pid := strings.Fields(line)[0]
		if f[1] != ppid && pid != ppid {
			continue
		}
		u, _ := strconv.Atoi(f[11])
		s, _ := strconv.Atoi(f[12])
		total += time.Duration(u+s) * 10 * time.Millisecond
	}
	return
}

func probe(ctx context.Context, w *blobWorld) (float64, error) {
	var ppid string
	_ = w.owner.QueryRow(ctx, "select split_part(pg_read_file('postmaster.pid'), E'\n', 1)").Scan(&ppid)
	content := noise(16 << 10)
	var n atomic.Uint64
	for _, nosync := range []bool{false, true} {
		d := &timedDriver{Driver: w.driver}
		if nosync {
			dir, _ := os.MkdirTemp("", "probe")
			defer os.RemoveAll(dir)
			x, err := fsblob.Open(dir+"/b", fsblob.Options{NoSync: true})
			if err != nil {
				return 0, err
			}
			d.Driver = x
		}
		store, err := blob.New(blob.Config{DB: w.db, Driver: d})
		if err != nil {
			return 0, err
		}
		for i := 0; i < 30; i++ {
			if _, err := store.Put(w.tc, fresh(content, n.Add(1)), blob.Meta{}); err != nil {
				return 0, err
			}
		}
		for _, workers := range []int{1, 8, 1, 8} {
			d.ns.Store(0)
			if workers == 8 && !nosync {
				f, _ := os.Create("/tmp/bytes-put.prof")
				_ = pprof.StartCPUProfile(f)
			}
			total := 400
			if workers == 8 {
				total = 1600
			}
			c0, p0, s := selfCPU(), pgCPU(ppid), time.Now()
			var all sync.WaitGroup
			var left atomic.Int64
			left.Store(int64(total))
			for range workers {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := store.Put(w.tc, fresh(content, n.Add(1)), blob.Meta{}); err != nil {
							panic(err)
						}
					}
				})
			}
			stop := make(chan struct{})
			waits := map[string]int{}
			var sampler sync.WaitGroup
			sampler.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(15 * time.Millisecond):
					}
					rows, _ := w.owner.Query(ctx, "select coalesce(state,'')||' '||coalesce(wait_event_type,'')||':'||coalesce(wait_event,'') from pg_stat_activity where backend_type='client backend' and pid<>pg_backend_pid()")
					for rows.Next() {
						var k string
						rows.Scan(&k)
						waits[k]++
					}
					rows.Close()
				}
			})
			all.Wait()
			took := time.Since(s)
			close(stop)
			sampler.Wait()
			fmt.Println(waits)
			pprof.StopCPUProfile()
			per := func(d time.Duration) time.Duration { return (d / time.Duration(total)).Round(time.Microsecond) }
			fmt.Printf("nosync=%v workers=%d rate=%.0f/s latency=%v driver=%v cpu: go=%v pg=%v\n", nosync, workers, float64(total)/took.Seconds(),
				per(took*time.Duration(workers)), per(time.Duration(d.ns.Load())), per(selfCPU()-c0), per(pgCPU(ppid)-p0))
		}
	}
	return 0, nil
}

func init() {
	if os.Getenv("PROBE") != "" {
		ctx := context.Background()
		if _, err := in(probe)(ctx); err != nil {
			fmt.Println(err)
		}
		os.Exit(0)
	}
}
