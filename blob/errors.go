package blob

import (
	"errors"
	"strings"

	"github.com/septum-go/septum/query"
)

// The reasons for which this package refuses or fails. Match them with errors.Is; the error that carries one is an
// [*Error].
var (
	// ErrNotFound: the tenant has no blob of this reference. It is the same error, found in the same way, when nobody has
	// one and when another tenant has; and it is query.ErrNotFound too, which package tenanthttp answers with 404.
	ErrNotFound error = notFound("not found")
	// ErrCorrupt: the stored bytes are not the ones that were put, or are gone. What was read before the error was
	// verified, unless the Store is Plain; the last part of a blob is never handed out unverified.
	ErrCorrupt = errors.New("the stored bytes are not the ones that were put")
	// ErrQuota: the tenant has, or uploads, more than its quota allows. Nothing was kept.
	ErrQuota = errors.New("over the quota")
	// ErrTooLarge: one blob is larger than Quota.MaxSize. Nothing was kept.
	ErrTooLarge = errors.New("too large")
	// ErrExpired: an upload took longer than Config.Grace, so that a sweep gave it up. Nothing was kept.
	ErrExpired = errors.New("the upload took too long")
	// ErrShredded: the key that opens the content was erased, or never was this Store's.
	ErrShredded = errors.New("the key was erased")
	// ErrInUse: a row refers to the blob by a foreign key of yours.
	ErrInUse = errors.New("a row refers to the blob")
	// ErrRef: a text is not a reference, or a Ref is the zero value.
	ErrRef = errors.New("not a reference")
	// ErrMeta: Meta holds a name or a media type that can't be kept.
	ErrMeta = errors.New("unusable metadata")
	// ErrSource: the reader given to Put failed, or broke the rules of io.Reader. Nothing was kept.
	ErrSource = errors.New("the content could not be read to its end")
	// ErrStorage: the driver failed. Nothing was kept, or nothing was read.
	ErrStorage = errors.New("the storage failed")
	// ErrConfig: a Config can't be worked with.
	ErrConfig = errors.New("unusable configuration")
	// ErrClosed: a Reader was used after Close.
	ErrClosed = errors.New("the reader is closed")
)

// What a Driver says.
var (
	// ErrExist: something is stored under the key already.
	ErrExist = errors.New("the key exists")
	// ErrNotExist: nothing is stored under the key.
	ErrNotExist = errors.New("nothing is stored under the key")
)

// notFound is ErrNotFound, which is also query.ErrNotFound, so that a border knows one error.
type notFound string

func (e notFound) Error() string        { return string(e) }
func (e notFound) Is(target error) bool { return target == query.ErrNotFound }

// Error is what every function of this package returns when it fails. Its text names no tenant, no file and no content.
type Error struct {
	Op   string // the function: "Put", "Open", …
	Kind error  // a sentinel of this package; nil when Err says it all
	Err  error  // the cause; nil when Kind says it all
	Hint string // what to do; may be empty
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("blob: ")
	b.WriteString(e.Op)
	for _, err := range e.Unwrap() {
		b.WriteString(": ")
		b.WriteString(err.Error())
	}
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Unwrap gives the sentinel and the cause.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// fail makes the error of an operation; an *Error passes through.
func fail(op string, kind, err error) error {
	var done *Error
	if errors.As(err, &done) {
		return err
	}
	return &Error{Op: op, Kind: kind, Err: err}
}

func refuse(op string, kind error, hint string) error { return &Error{Op: op, Kind: kind, Hint: hint} }
