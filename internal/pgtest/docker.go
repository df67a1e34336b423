package pgtest

import (
	"context"
	"errors"
)

func startDocker(ctx context.Context, o Options) (*Server, error) {
	return nil, errors.New("soon")
}
