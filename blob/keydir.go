package blob

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// KeyDir is Keys in a directory: a file of 32 random bytes for each name, readable by this user alone. Several processes
// may share it. Keep it on other storage than the blobs, and in other backups: whoever has both can read everything, and
// a key that a backup holds is not erased.
type KeyDir struct{ dir string }

var _ Keys = (*KeyDir)(nil)

// OpenKeyDir opens a directory of keys, and makes it when it is not there. It must not be accessible to group or others.
func OpenKeyDir(dir string) (*KeyDir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fail("OpenKeyDir", ErrConfig, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fail("OpenKeyDir", ErrConfig, err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return nil, refuse("OpenKeyDir", ErrConfig, "the directory of keys is for its owner alone: chmod 700")
	}
	return &KeyDir{dir: dir}, nil
}

// path of a name's key. The id is written in hexadecimal: ids differ in case, and not every file system tells that apart.
func (d *KeyDir) path(name KeyName) string {
	if id, ok := name.Tenant(); ok {
		return filepath.Join(d.dir, "tenant-"+hex.EncodeToString([]byte(id.String())))
	}
	return filepath.Join(d.dir, "shared")
}

// erased is the file that says that a name is not to be used again.
func erased(path string) string { return path + ".erased" }

func isErased(path string) error {
	switch _, err := os.Stat(erased(path)); {
	case err == nil:
		return ErrShredded
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// load reads a name's key; with make it makes one when there is none. Erase marks the name before it touches the key, so
// the mark is looked for again when the key was read: what was read may be what Erase wrote over it, and a key that was made
// meanwhile would outlive the erasure.
func (d *KeyDir) load(name KeyName, make bool) (cipher.AEAD, error) {
	path := d.path(name)
	if err := isErased(path); err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !make {
			return nil, ErrShredded
		}
		if err := writeOnce(path, newSecret()); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		secret, err = os.ReadFile(path) // another process may have been first
	}
	if gone := isErased(path); errors.Is(gone, ErrShredded) {
		return nil, errors.Join(gone, destroy(path))
	} else if gone != nil {
		return nil, gone
	}
	if err != nil {
		return nil, err
	}
	if len(secret) != dataKeySize {
		return nil, errors.New("a key file is damaged")
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Wrap implements Keys.
func (d *KeyDir) Wrap(ctx context.Context, name KeyName, dataKey []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	aead, err := d.load(name, true)
	if err != nil {
		return nil, pathless(err)
	}
	return aead.Seal(nil, nil, dataKey, []byte(name.String())), nil
}

// Unwrap implements Keys.
func (d *KeyDir) Unwrap(ctx context.Context, name KeyName, wrapped []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	aead, err := d.load(name, false)
	if err != nil {
		return nil, pathless(err)
	}
	dataKey, err := aead.Open(nil, nil, wrapped, []byte(name.String()))
	if err != nil {
		return nil, errors.New("the wrapped key was not made with this key")
	}
	return dataKey, nil
}

// Erase implements Keys. The file is overwritten and removed; on storage that keeps old blocks (flash, snapshots,
// backups) that is no proof of erasure, and a key management service is the better place for keys.
func (d *KeyDir) Erase(ctx context.Context, name KeyName) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := d.path(name)
	if err := writeOnce(erased(path), nil); err != nil && !errors.Is(err, fs.ErrExist) {
		return pathless(err)
	}
	return pathless(destroy(path))
}

// pathless takes the path out of an error, which names the tenant.
func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("a key file: %s: %w", p.Op, p.Err)
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return fmt.Errorf("a key file: %s: %w", l.Op, l.Err)
	}
	return err
}

// destroy overwrites and removes a key, if there is one.
func destroy(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, dataKeySize))
	err = errors.Join(err, f.Sync(), f.Close())
	if removed := os.Remove(path); !errors.Is(removed, fs.ErrNotExist) { // another process may have been first
		err = errors.Join(err, removed)
	}
	return errors.Join(err, syncDir(filepath.Dir(path)))
}

// writeOnce makes a file with its content, all or nothing, unless there is one: then the error is fs.ErrExist.
func writeOnce(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return fmt.Errorf("a key file: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
