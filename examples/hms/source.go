package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/septum-go/septum/examples/hms/fhir"
	"github.com/septum-go/septum/tenant"
)

// guest is the hospital of files that name none.
const guest = "guest"

//go:embed testdata/codes.csv testdata/mercy testdata/mercy-north testdata/lakeside
var testdata embed.FS

// source is a hospital and the files to load for it, those that others refer to first.
type source struct {
	hospital tenant.ID
	files    []*fhir.File
}

// sources reads the demo's data and what -fhir named. Everything is read and checked before the first row is stored.
func sources(paths []string) (list []*source, skipped []string, err error) {
	demo, err := fs.Sub(testdata, "testdata")
	if err != nil {
		return nil, nil, err
	}
	r := reader{byHospital: map[tenant.ID]*source{}}
	for _, name := range []string{"mercy", "mercy-north", "lakeside"} {
		if err := r.folder(demo, name, "", name); err != nil {
			return nil, nil, err
		}
	}
	for _, p := range paths {
		if err := r.path(p); err != nil {
			return nil, nil, err
		}
	}
	for _, s := range r.list {
		slices.SortStableFunc(s.files, func(a, b *fhir.File) int { return a.Rank() - b.Rank() })
	}
	return r.list, r.skipped, nil
}

type reader struct {
	list       []*source
	byHospital map[tenant.ID]*source
	skipped    []string // files that are no FHIR by their name
}

func (r *reader) path(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	before := len(r.skipped)
	count := r.count()
	if info.IsDir() {
		err = r.folder(os.DirFS(name), ".", name, guest)
	} else {
		err = r.file(os.DirFS(filepath.Dir(name)), filepath.Base(name), filepath.Dir(name), guest, true)
	}
	if err == nil && r.count() == count {
		return fmt.Errorf("%s holds no FHIR file (*.json, *.ndjson, *.jsonl); %d other files lie in it", name, len(r.skipped)-before)
	}
	return err
}

func (r *reader) count() (n int) {
	for _, s := range r.list {
		n += len(s.files)
	}
	return n
}

// folder reads the files of a folder for a hospital. In the folder that -fhir named, a folder is a hospital; deeper ones only sort files.
func (r *reader) folder(fsys fs.FS, dir, root, hospital string) error {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			inner := hospital
			if dir == "." {
				inner = e.Name()
			}
			if err := r.folder(fsys, name, root, inner); err != nil {
				return err
			}
			continue
		}
		if err := r.file(fsys, name, root, hospital, false); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) file(fsys fs.FS, name, root, hospital string, named bool) error {
	if ext := strings.ToLower(path.Ext(name)); !named && ext != ".json" && ext != ".ndjson" && ext != ".jsonl" {
		r.skipped = append(r.skipped, filepath.Join(root, name))
		return nil
	}
	id, err := tenant.ParseID(hospital)
	if err != nil {
		return fmt.Errorf("the folder of %s can't be a hospital's name: %w", filepath.Join(root, name), err)
	}
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	f, err := fhir.Read(filepath.Join(root, name), bytes.NewReader(text))
	if err != nil {
		return err
	}
	s := r.byHospital[id]
	if s == nil {
		s = &source{hospital: id}
		r.byHospital[id], r.list = s, append(r.list, s)
	}
	s.files = append(s.files, f)
	return nil
}

// codes reads the list that belongs to everybody.
func codes() ([]byte, error) {
	text, err := testdata.ReadFile("testdata/codes.csv")
	if err == nil && len(text) == 0 {
		err = errors.New("codes.csv is empty")
	}
	return text, err
}
