// Package s3blob keeps blobs in a bucket of Amazon S3, or of a server that speaks its protocol.
//
//	cfg, err := config.LoadDefaultConfig(ctx) // of the AWS SDK
//	driver, err := s3blob.New(s3blob.Config{AWS: cfg, Bucket: "clinic-blobs"})
//	store, err := blob.New(blob.Config{DB: db, Driver: driver})
//
// Every request that stores bytes carries their SHA-256, which the server compares, and the condition that nothing is
// under the key (If-None-Match). Objects larger than a part are uploaded in parts, one at a time, with one part in
// memory. An upload that breaks off is aborted; one whose process was killed is listed as partial, for Store.Sweep to
// abort.
//
// The bucket should be private, without versioning (a deleted object would stay readable), and needs no lifecycle rules. The
// login needs s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload, ListBucket, ListBucketMultipartUploads.
//
// Tested with versitygw. A server must support conditional writes and SHA-256 checksums.
package s3blob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/septum-go/septum/blob"
)

// Config says which bucket, and how it is reached. AWS and Bucket are required.
type Config struct {
	// AWS holds region, credentials and the HTTP client, as the SDK loads them.
	AWS aws.Config
	// Bucket is the bucket's name.
	Bucket string
	// Prefix stands before each key, and ends with "/" when it is not empty. Objects elsewhere in the bucket are not
	// looked at. Default: none.
	Prefix string
	// Endpoint is the URL of a server that is not Amazon's. Default: the region's.
	Endpoint string
	// PathStyle puts the bucket into the path and not into the host name, as most other servers need it.
	PathStyle bool
	// PartSize is how much is uploaded at a time, and held in memory by each Put of as much or more, in bytes: 5 MiB to 5
	// GiB. An object has at most 10,000 parts. Default: 8 MiB, which makes 78 GiB.
	PartSize int64
	// Encryption asks the server to encrypt what it stores, beside what Store does: types.ServerSideEncryptionAes256 or
	// AwsKms. Default: the bucket's own setting.
	Encryption types.ServerSideEncryption
	// KMSKey is the key of the server's key management for AwsKms. Default: the account's.
	KMSKey string
}

// Driver is a blob.Driver on a bucket. Make it with New. It is safe for concurrent use, also by many processes.
type Driver struct {
	config Config
	client *s3.Client
}

var (
	_ blob.Driver = (*Driver)(nil)
	_ blob.Linker = (*Driver)(nil)
)

const (
	minPart     = 5 << 20
	maxPart     = 5 << 30
	defaultPart = 8 << 20
	maxParts    = 10_000
)

// New makes a driver. It connects to nothing.
func New(c Config) (*Driver, error) {
	switch {
	case c.Bucket == "":
		return nil, errors.New("s3blob: Config.Bucket is empty")
	case c.Prefix != "" && (!strings.HasSuffix(c.Prefix, "/") || strings.HasPrefix(c.Prefix, "/")):
		return nil, errors.New(`s3blob: Config.Prefix ends with "/" and does not begin with it`)
	case c.PartSize != 0 && (c.PartSize < minPart || c.PartSize > maxPart):
		return nil, errors.New("s3blob: Config.PartSize is 5 MiB to 5 GiB")
	case c.Encryption != "" && !slices.Contains(c.Encryption.Values(), c.Encryption):
		return nil, errors.New("s3blob: Config.Encryption is not one that S3 knows")
	case c.KMSKey != "" && (c.Encryption == "" || c.Encryption == types.ServerSideEncryptionAes256):
		return nil, errors.New("s3blob: Config.KMSKey needs Config.Encryption to be AwsKms")
	}
	if c.PartSize == 0 {
		c.PartSize = defaultPart
	}
	client := s3.NewFromConfig(c.AWS, func(o *s3.Options) {
		o.UsePathStyle = c.PathStyle
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
		// Our own checksums go with the bytes; those of whole objects can't be compared when a part of one is read.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	return &Driver{config: c, client: client}, nil
}

func (d *Driver) name(key blob.Key) *string { return aws.String(d.config.Prefix + key.String()) }

// keyOf reads an object's name; ok is false for what is not ours.
func (d *Driver) keyOf(name *string) (blob.Key, bool) {
	rest, ok := strings.CutPrefix(aws.ToString(name), d.config.Prefix)
	if !ok {
		return blob.Key{}, false
	}
	return blob.ParseKey(rest)
}

// fail classifies the server's errors. Their texts hold names of buckets and requests, which are left out.
func fail(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("s3blob: %s: %w", op, cause)
	}
	var api smithy.APIError
	code := ""
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var response *smithyhttp.ResponseError
	status := 0
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	switch {
	case code == "NoSuchKey", code == "NotFound", status == http.StatusNotFound && code != "NoSuchBucket" && code != "NoSuchUpload":
		return fmt.Errorf("s3blob: %s: %w", op, blob.ErrNotExist)
	case code == "PreconditionFailed", status == http.StatusPreconditionFailed:
		return fmt.Errorf("s3blob: %s: %w", op, blob.ErrExist)
	}
	return &Error{Op: op, Code: code, Status: status, Err: err}
}

// Error is what the server, or the way to it, said. The SDK's own error is there for errors.As.
type Error struct {
	Op     string // "put", "get", …
	Code   string // of S3: "AccessDenied"; empty when no reply came
	Status int    // of HTTP; 0 when no reply came
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Code == "" && e.Status == 0 {
		return "s3blob: " + e.Op + ": the server can't be reached, or broke off"
	}
	return fmt.Sprintf("s3blob: %s: the server says %s (HTTP %d)", e.Op, e.Code, e.Status)
}

// Unwrap gives the SDK's error.
func (e *Error) Unwrap() error { return e.Err }
