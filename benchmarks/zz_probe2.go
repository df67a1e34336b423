package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/blob"
)

func cpuOf(pid int) time.Duration {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	i := strings.LastIndex(string(b), ")")
	f := strings.Fields(string(b)[i+2:])
	u, _ := strconv.Atoi(f[11])
	s, _ := strconv.Atoi(f[12])
	return time.Duration(u+s) * 10 * time.Millisecond
}

func probe2(ctx context.Context, w *blobWorld) (float64, error) {
	conn, err := pgx.Connect(ctx, w.url)
	if err != nil {
		return 0, err
	}
	var pid int
	conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid)
	conn.Exec(ctx, "set septum.tenant='mercy'")
	sync := "off"
	conn.Exec(ctx, "set synchronous_commit="+sync)
	n := 0
	run := func(name string, f func() error) {
		const N = 1000
		for range 20 {
			f()
		}
		c, s := cpuOf(pid), time.Now()
		for range N {
			if err := f(); err != nil {
				fmt.Println(name, err)
				return
			}
		}
		fmt.Printf("%-30s wall %v backend cpu %v\n", name, time.Since(s)/N, (cpuOf(pid)-c)/N)
	}
	var keys []string
	begin := func() error {
		k := blob.NewKey().String()
		keys = append(keys, k)
		_, err := conn.Exec(ctx, "select ref_key, data_key::text as data_key, wrapped, blobs, bytes, lately from septum_blob.begin($1, $2, $3)", k, make([]byte, 32), false)
		return err
	}
	finish := func() error {
		k := keys[0]
		keys = keys[1:]
		n++
		h := sha256.Sum256([]byte(k))
		_, err := conn.Exec(ctx, `select outcome from septum_blob.finish($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)`, k, "blob_"+base64.RawURLEncoding.EncodeToString(h[:]), h[:], 100, "text/plain", "n", "row", h[:], nil, false, nil, nil)
		return err
	}
	for range 2 {
		run("select 1", func() error { _, err := conn.Exec(ctx, "select 1"); return err })
		run("set_config", func() error {
			_, err := conn.Exec(ctx, "select set_config('septum.tenant',$1,true)", "mercy")
			return err
		})
		run("current_tenant-ish usage()", func() error { _, err := conn.Exec(ctx, "select * from septum_blob.usage()"); return err })
		run("begin", begin)
		run("finish", finish)
	}
	return 0, nil
}

func init() {
	if os.Getenv("PROBE2") != "" {
		if _, err := in(probe2)(context.Background()); err != nil {
			fmt.Println(err)
		}
		os.Exit(0)
	}
}
