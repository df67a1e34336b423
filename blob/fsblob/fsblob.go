// Package fsblob keeps blobs in a directory: the driver for one machine, or for a file system that several share.
//
//	driver, err := fsblob.Open("/srv/blobs", fsblob.Options{})
//	store, err := blob.New(blob.Config{DB: db, Driver: driver})
//
// An object is written to "<key>.part", which is synced and then renamed to "<key>", and the directory is synced too, so
// that a file without the ending is always whole, whatever crashes. What a crash leaves behind keeps the ending, and is
// listed as partial, for Store.Sweep to delete. Files are in 1,024 directories by the first two characters of their keys,
// which are random. All is readable by this user alone (modes 0700 and 0600).
//
// File systems must support rename within a directory as POSIX has it, and honour fsync. NFS is not tested.
package fsblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"

	"github.com/septum-go/septum/blob"
)

// Options say how to keep files. Their zero value is right.
type Options struct {
	// NoSync leaves out syncing, so that an acknowledged blob may be lost when the machine (not the process) crashes: for
	// tests, and for data that can be made again. Default: false.
	NoSync bool
}

// Driver is a blob.Driver on a directory. Make it with Open. It is safe for concurrent use, also by many processes.
type Driver struct {
	root *os.Root
	sync bool
	// reached, when set by a test, is told of each step of Put and Delete.
	reached func(step string)
	// flush makes sure that a file or a directory is on the disk; a test has it fail.
	flush func(*os.File) error
}

var _ blob.Driver = (*Driver)(nil)

const (
	dirMode  = 0o700
	fileMode = 0o600
	partial  = ".part"
	fanOut   = 2 // characters of the key that name the directory
)

// Open opens a directory, and makes it when it is not there. An existing one must not be accessible to group or others.
func Open(dir string, o Options) (*Driver, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("fsblob: %w", bare(err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("fsblob: %w", bare(err))
	}
	info, err := root.Stat(".")
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = errors.New("the directory is open to others: chmod 700")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fsblob: %w", bare(err)), root.Close())
	}
	d := &Driver{root: root, sync: !o.NoSync, flush: (*os.File).Sync}
	if err := d.makeDirectories(); err != nil {
		return nil, errors.Join(fmt.Errorf("fsblob: %w", bare(err)), root.Close())
	}
	return d, nil
}

// Close lets go of the directory. No method may be called afterwards.
func (d *Driver) Close() error { return d.root.Close() }

func directory(key blob.Key) string { return key.String()[:fanOut] }
func path(key blob.Key) string      { return directory(key) + "/" + key.String() }

// bare takes the path out of an error: it is the server's own business.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return fmt.Errorf("%s: %w", l.Op, l.Err)
	}
	return err
}

func fail(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("fsblob: %s: %w", op, blob.ErrNotExist)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("fsblob: %s: %w", op, blob.ErrExist)
	}
	return fmt.Errorf("fsblob: %s: %w", op, bare(err))
}

func (d *Driver) at(step string) {
	if d.reached != nil {
		d.reached(step)
	}
}

// Put implements blob.Driver.
func (d *Driver) Put(ctx context.Context, key blob.Key, r io.Reader) error {
	if key.IsZero() {
		return fail("put", errors.New("the key is the zero value"))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Only one can make the partial file, and whoever holds it alone may look for the whole one and make it.
	f, err := d.root.OpenFile(path(key)+partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return fail("put", err)
	}
	d.at("put.created")
	done := false
	defer func() {
		if !done { // also when r panics
			_ = f.Close()
			_ = d.root.Remove(path(key) + partial)
		}
	}()
	if _, err := d.root.Lstat(path(key)); !errors.Is(err, fs.ErrNotExist) {
		return fail("put", errors.Join(err, fs.ErrExist))
	}
	if err := d.write(ctx, f, r); err != nil {
		return err
	}
	d.at("put.synced")
	if err := d.root.Rename(path(key)+partial, path(key)); err != nil {
		return fail("put", err)
	}
	done = true
	d.at("put.renamed")
	if err := d.syncDirectory(directory(key)); err != nil {
		return fail("put", errors.Join(err, d.root.Remove(path(key))))
	}
	return nil
}

// write writes and syncs. An error of r is passed on as it is.
func (d *Driver) write(ctx context.Context, f *os.File, r io.Reader) error {
	source := &source{ctx: ctx, r: r}
	var err error
	if from, ok := r.(io.WriterTo); ok {
		_, err = from.WriteTo(&target{f: f, ctx: ctx, source: source, flush: d.sync, reached: d.at})
		if err != nil && source.failed == nil {
			return err // r's own
		}
	} else {
		_, err = io.Copy(&target{f: f, ctx: ctx, source: source, flush: d.sync, reached: d.at}, source)
		if source.err != nil {
			return source.err
		}
	}
	if err != nil {
		return fail("put", err)
	}
	d.at("put.written")
	if d.sync {
		if err := d.flush(f); err != nil {
			return fail("put", errors.Join(err, f.Close()))
		}
	}
	return fail("put", f.Close())
}

// source remembers who failed.
type source struct {
	ctx    context.Context
	r      io.Reader
	err    error // reading
	failed error // writing
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Get implements blob.Driver.
func (d *Driver) Get(ctx context.Context, key blob.Key, offset int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if key.IsZero() || offset < 0 {
		return nil, fail("get", errors.New("there is no such place"))
	}
	f, err := d.root.Open(path(key))
	if err != nil {
		return nil, fail("get", err)
	}
	if offset > 0 {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return nil, errors.Join(fail("get", err), f.Close())
		}
	}
	return &file{f: f, ctx: ctx}, nil
}

// file ends reading with its context.
type file struct {
	f   *os.File
	ctx context.Context
}

func (f *file) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := f.f.Read(p)
	if err != nil && err != io.EOF {
		err = fail("get", err)
	}
	return n, err
}

func (f *file) Close() error { return f.f.Close() }

// Stat implements blob.Driver.
func (d *Driver) Stat(ctx context.Context, key blob.Key) (blob.Object, error) {
	if err := ctx.Err(); err != nil {
		return blob.Object{}, err
	}
	if key.IsZero() {
		return blob.Object{}, fail("stat", fs.ErrNotExist)
	}
	info, err := d.root.Lstat(path(key))
	if err != nil {
		return blob.Object{}, fail("stat", err)
	}
	return blob.Object{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil
}

// Delete implements blob.Driver. The partial file goes first: an upload that still writes it can't rename it any more.
func (d *Driver) Delete(ctx context.Context, key blob.Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if key.IsZero() {
		return nil
	}
	gone := false
	for _, name := range []string{path(key) + partial, path(key)} {
		switch err := d.root.Remove(name); {
		case err == nil:
			gone = true
		case !errors.Is(err, fs.ErrNotExist):
			return fail("delete", err)
		}
		d.at("delete.removed")
	}
	if !gone {
		return nil
	}
	return fail("delete", d.syncDirectory(directory(key)))
}

// List implements blob.Driver: directory by directory, so that it needs little memory for any number of objects.
func (d *Driver) List(ctx context.Context) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		dirs, err := d.entries(".")
		if err != nil {
			yield(blob.Object{}, fail("list", err))
			return
		}
		for _, dir := range dirs {
			if !dir.IsDir() || len(dir.Name()) != fanOut {
				continue
			}
			files, err := d.entries(dir.Name())
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !yield(blob.Object{}, fail("list", err)) {
				return
			}
			for _, entry := range files {
				if err := ctx.Err(); err != nil {
					yield(blob.Object{}, err)
					return
				}
				if object, ok := objectOf(dir.Name(), entry); ok && !yield(object, nil) {
					return
				}
			}
		}
	}
}

func (d *Driver) entries(dir string) (_ []fs.DirEntry, err error) {
	f, err := d.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.ReadDir(-1)
}

// objectOf knows our files; whatever else lies there is not ours to delete.
func objectOf(dir string, entry fs.DirEntry) (blob.Object, bool) {
	name, isPartial := strings.CutSuffix(entry.Name(), partial)
	key, ok := blob.ParseKey(name)
	if !ok || directory(key) != dir || !entry.Type().IsRegular() {
		return blob.Object{}, false
	}
	info, err := entry.Info()
	if err != nil {
		return blob.Object{}, false // gone meanwhile
	}
	return blob.Object{Key: key, Size: info.Size(), Modified: info.ModTime(), Partial: isPartial}, true
}

// makeDirectories makes all directories that keys can name, and makes sure of them before anything is put into one.
func (d *Driver) makeDirectories() error {
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	for _, a := range letters {
		for _, b := range letters {
			if err := d.root.Mkdir(string(a)+string(b), dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
	}
	return d.syncDirectory(".")
}

func (d *Driver) syncDirectory(name string) error {
	if !d.sync {
		return nil
	}
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.flush(f), f.Close())
}
