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

// load reads a name's key; with make it makes one when there is none.
func (d *KeyDir) load(name KeyName, make bool) (cipher.AEAD, error) {
	path := d.path(name)
	if _, err := os.Stat(erased(path)); err == nil {
		return nil, ErrShredded
	} else if !errors.Is(err, fs.ErrNotExist) {
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
		return nil, err
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
		return nil, err
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
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, dataKeySize))
	err = errors.Join(err, f.Sync(), f.Close(), os.Remove(path), syncDir(d.dir))
	return err
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
