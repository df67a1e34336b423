package pgtest

import (
	"context"
	"sync"
	"time"
)

// Time limits of work that no caller's context bounds.
const (
	startTimeout = 5 * time.Minute // a download or the pull of an image is in it
	closeTimeout = 30 * time.Second
)

// shared is the one server of this process. A server takes a second to start and tests know no common place to keep it,
// so this is the one variable of the package; nothing can change it.
var shared = sync.OnceValues(func() (*Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return Start(ctx, Options{})
})

// Shared gives the one server of this process, started on first use with zero [Options]. Nobody closes it: the guardian
// ends it with the process, and a server of way url keeps nothing once the last database was dropped.
func Shared() (*Server, error) { return shared() }
