package pgtest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLocalQuick(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	b := time.Now()
	s, err := Start(ctx, Options{Source: Local, Log: func(l string) { t.Log(l) }})
	require.NoError(t, err)
	t.Log(time.Since(b), s.URL())
	b = time.Now()
	d, err := s.Database(ctx, Template{})
	require.NoError(t, err)
	t.Log(time.Since(b), d)
	b = time.Now()
	d, err = s.Database(ctx, Template{})
	require.NoError(t, err)
	t.Log(time.Since(b))
	for _, u := range []string{d.AdminURL, d.OwnerURL, d.AppURL} {
		_, err = probe(ctx, u)
		require.NoError(t, err)
	}
	require.NoError(t, d.Drop(ctx))
	b = time.Now()
	require.NoError(t, s.Close())
	t.Log(time.Since(b))
}
