package fhir

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxSize is the greatest size of a file in bytes. A file is held in memory while it is imported, since it is stored as a whole or not at all.
const MaxSize = 256 << 20

// maxNesting is how deep bundles may stand in bundles; a batch response holds them one deep.
const maxNesting = 8

// Resource is one resource of a file.
type Resource struct {
	Index int    // position among the file's resources, from 0
	Kind  string // resourceType
	ID    string // as in the file; made from its URL or its content when it has none

	body json.RawMessage
}

// File is a file that was read and is sound JSON of resources.
type File struct {
	Name      string
	Resources []Resource
	Empty     int // entries of bundles without a resource: requests, deletions, answers

	urls map[string]string // fullUrl → "Kind/ID"
}

// Read reads a Bundle, a single resource, or one of them a line. The error is an *Error.
func Read(name string, r io.Reader) (*File, error) {
	f := &File{Name: name, urls: map[string]string{}}
	text, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, f.fail(-1, "", err)
	}
	if len(text) > MaxSize {
		return nil, f.fail(-1, "", fmt.Errorf("it is larger than %d MiB; split it", MaxSize>>20))
	}
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	for {
		var body json.RawMessage
		if err := dec.Decode(&body); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("the file ends in the middle of a resource")
			}
			return nil, f.fail(len(f.Resources), "", err)
		}
		if err := f.add(body, "", 0); err != nil {
			return nil, err
		}
	}
	if len(f.Resources) == 0 && f.Empty == 0 {
		return nil, f.fail(-1, "", errors.New("it holds no resource"))
	}
	return f, nil
}

type head struct {
	ResourceType string `json:"resourceType"`
	ID           string `json:"id"`
	Entry        []struct {
		FullURL  string          `json:"fullUrl"`
		Resource json.RawMessage `json:"resource"`
	} `json:"entry"`
}

func (f *File) add(body json.RawMessage, url string, nesting int) error {
	var h head
	if err := json.Unmarshal(body, &h); err != nil {
		return f.fail(len(f.Resources), "", err)
	}
	if h.ResourceType == "" {
		return f.fail(len(f.Resources), h.ID, errors.New("it has no resourceType, so it is not FHIR"))
	}
	if h.ResourceType != "Bundle" {
		id := h.ID
		if id == "" {
			id = madeUpID(url, body)
		}
		if url != "" {
			f.urls[url] = h.ResourceType + "/" + id
		}
		f.Resources = append(f.Resources, Resource{len(f.Resources), h.ResourceType, id, body})
		return nil
	}
	if nesting == maxNesting {
		return f.fail(len(f.Resources), "Bundle/"+h.ID, fmt.Errorf("more than %d bundles stand in each other", maxNesting))
	}
	for _, e := range h.Entry {
		if len(e.Resource) == 0 || bytes.Equal(e.Resource, []byte("null")) {
			f.Empty++
			continue
		}
		if err := f.add(e.Resource, e.FullURL, nesting+1); err != nil {
			return err
		}
	}
	return nil
}

// madeUpID names a resource that has no id, as in a transaction that creates it: by its URL, else by its content, so that
// the same file gives the same ids.
func madeUpID(url string, body []byte) string {
	if id, ok := strings.CutPrefix(url, "urn:uuid:"); ok {
		return id
	}
	sum := sha256.Sum256(append([]byte(url+"\n"), body...))
	return "sha256-" + hex.EncodeToString(sum[:12])
}

func (f *File) fail(index int, resource string, err error) *Error {
	return &Error{File: f.Name, Index: index, Resource: resource, Err: err}
}

// resolve gives the "Kind/ID" that a reference means, "" for one that can't be of this file or hospital: a contained resource, or
// another server's.
func (f *File) resolve(reference string) string {
	if known, ok := f.urls[reference]; ok {
		return known
	}
	parts := strings.Split(reference, "/")
	if len(parts) != 2 && (len(parts) != 4 || parts[2] != "_history") {
		return ""
	}
	return parts[0] + "/" + parts[1]
}

// Rank orders files of one hospital so that what is referred to comes first: files of people and places, then of stays,
// then of what happened in them.
func (f *File) Rank() int {
	rank := 0
	for _, r := range f.Resources {
		rank = max(rank, ranks[r.Kind])
	}
	return rank
}
