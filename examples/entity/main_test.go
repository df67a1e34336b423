package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/rls/rlstest"
)

func TestTheStoryOfTwoHospitals(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t)
	db, err := open(context.Background(), d.OwnerURL, d.AppURL, d.AppRole)
	require.NoError(t, err)
	defer db.Close()
	var out bytes.Buffer
	require.NoError(t, story(context.Background(), db, &out))
	require.Equal(t, `mercy: [{"id":10,"type":"Patient","values":{"Balance":"120.50","Name":"Ann of Mercy"},"related":{"lies in":[{"id":9,"type":"Ward","values":{"Name":"Surgery"}}]}}]
lakeside: [{"id":10,"type":"Patient","values":{"Consent":true,"Name":"Ann of Lakeside"},"related":{"lies in":[{"id":9,"type":"Ward","values":{"Beds":12}}]}}]
`, out.String())
}
