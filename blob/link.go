package blob

import (
	"context"
	"time"

	"github.com/septum-go/septum/tenant"
)

// Linker is what a Driver can do besides, when its storage lets others read an object by a URL that expires.
type Linker interface {
	// Link gives a URL from which the object is downloaded under a name and media type.
	Link(ctx context.Context, key Key, o LinkOptions) (url string, err error)
}

// LinkOptions say what a link gives, and for how long.
type LinkOptions struct {
	Name      string // for the downloaded file; data from outside, to be quoted
	MediaType string // never one that a browser would run
	For       time.Duration
}

// MaxLink is the longest time that Config.Links may allow.
const MaxLink = time.Hour

// Link gives a URL from which the tenant's blob can be downloaded without this program, for as long as Config.Links. It
// works for whoever has it, so hand it to the tenant's user alone, and over nothing that logs it. What is downloaded that
// way is not verified.
//
// Errors: ErrNotFound as in Open; ErrConfig when links are off, as they are by default.
func (s *Store) Link(tc tenant.Context, ref Ref) (url string, err error) {
	linker, ok := s.driver.(Linker)
	if s.config.Links <= 0 || !ok {
		return "", refuse("Link", ErrConfig, "links are off: see Config.Links")
	}
	found, err := s.locate(tc, "Link", ref)
	if err != nil {
		return "", err
	}
	if found.object.secret != nil {
		return "", refuse("Link", ErrConfig, "the content is sealed, since it was put when Config.Plain was off")
	}
	url, err = linker.Link(tc, found.object.key, LinkOptions{Name: found.Name, MediaType: servedType(found.MediaType), For: s.config.Links})
	if err != nil {
		return "", fail("Link", ErrStorage, err)
	}
	return url, nil
}
