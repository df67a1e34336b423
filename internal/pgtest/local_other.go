//go:build !unix

package pgtest

import (
	"context"
	"errors"
)

var errNotUnix = errors.New("works on Unix systems only; use SEPTUM_POSTGRES_URL or a Docker engine")

func startLocal(context.Context, Options) (*Server, error)    { return nil, errNotUnix }
func startDownload(context.Context, Options) (*Server, error) { return nil, errNotUnix }

// StartBouncer works on Unix systems only.
func StartBouncer(context.Context, BouncerOptions) (*Bouncer, error) { return nil, errNotUnix }
