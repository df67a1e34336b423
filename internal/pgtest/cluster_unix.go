//go:build unix

package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// initArgs are initdb's. Sorting is by bytes, as it is the same everywhere; what is a letter is Unicode's business.
var initArgs = []string{
	"--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--wal-segsize=4",
	"--lc-collate=C", "--lc-ctype=C.UTF-8", "--lc-messages=C", "--no-instructions",
}

// makeCluster puts a fresh database cluster into dir/data. initdb takes a second; a copy of what it made before takes a
// tenth, so the first result is kept in the cache directory. The password is set afterwards, so that no two servers
// share one and none lies in the cache.
func makeCluster(ctx context.Context, dir, bin string, user *account, password string) error {
	text, _, err := serverVersion(ctx, bin)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text + bin + strings.Join(initArgs, " ")))
	data := filepath.Join(dir, "data")
	kept := ""
	if cache, err := cacheDir(); err == nil {
		kept = filepath.Join(cache, "cluster-"+hex.EncodeToString(sum[:8]))
	}
	if kept == "" || copyTree(kept, data, user) != nil {
		if err := os.RemoveAll(data); err != nil { // half a copy
			return err
		}
		if err := initdb(ctx, dir, bin, user); err != nil {
			return err
		}
		if kept != "" {
			keep(data, kept) // a cache that can't be written costs a second a start, nothing else
		}
	}
	secret, err := verify(password)
	if err != nil {
		return err
	}
	single := user.command(ctx, dir, filepath.Join(bin, "postgres"), "--single", "-D", data, "-c", "fsync=off", "-c", "log_min_messages=fatal", "postgres")
	single.Stdin = strings.NewReader("ALTER ROLE postgres PASSWORD '" + secret + "'\n")
	if out, err := single.CombinedOutput(); err != nil {
		return fmt.Errorf("set the password: %w: %s", err, tail(out))
	}
	return nil
}

func initdb(ctx context.Context, dir, bin string, user *account) error {
	// initdb asks for a password when it writes scram into pg_hba.conf; makeCluster sets the real one.
	first := filepath.Join(dir, "first")
	if err := os.WriteFile(first, []byte("replaced\n"), 0o600); err != nil {
		return err
	}
	if err := user.own(first); err != nil {
		return err
	}
	run := func(args []string) ([]byte, error) {
		return user.command(ctx, dir, filepath.Join(bin, "initdb"), append(args, "--pwfile="+first, "-D", filepath.Join(dir, "data"))...).CombinedOutput()
	}
	out, err := run(initArgs)
	if err != nil && strings.Contains(string(out), "invalid locale") { // systems without C.UTF-8, such as macOS
		plain := append([]string{}, initArgs...)
		for i, arg := range plain {
			if strings.HasPrefix(arg, "--lc-ctype") {
				plain[i] = "--lc-ctype=C"
			}
		}
		out, err = run(plain)
	}
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, tail(out))
	}
	return os.Remove(first)
}

// keep stores a copy of a fresh cluster under its final name in one step, so that no other process sees half of it.
func keep(data, kept string) {
	temp, err := os.MkdirTemp(filepath.Dir(kept), "new-")
	if err != nil {
		return
	}
	defer os.RemoveAll(temp)
	if copyTree(data, filepath.Join(temp, "data"), nil) == nil {
		_ = os.Rename(filepath.Join(temp, "data"), kept) // fails when another process was first: the same thing
	}
}

// cacheDir is where downloads and fresh clusters are kept: the user's cache directory. The server of root runs as
// another user, who can't get into root's home.
func cacheDir() (string, error) {
	base := "/var/cache"
	if os.Geteuid() != 0 {
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(base, "septum")
	return dir, os.MkdirAll(dir, 0o755)
}

// copyTree copies directories, files and symbolic links with their modes, and gives them to the account.
func copyTree(from, to string, user *account) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			err = os.Mkdir(target, info.Mode().Perm())
		case info.Mode().IsRegular():
			err = copyFile(path, target, info.Mode().Perm())
		case info.Mode()&fs.ModeSymlink != 0:
			var link string
			if link, err = os.Readlink(path); err == nil {
				err = os.Symlink(link, target)
			}
		}
		if err != nil {
			return err
		}
		return user.own(target)
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
