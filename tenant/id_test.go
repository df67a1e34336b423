package tenant_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant"
)

func TestParseIDAccepts(t *testing.T) {
	t.Parallel()
	for text, canonical := range map[string]string{
		"a":                      "a",
		"7":                      "7",
		"-":                      "-",
		"st-mary":                "st-mary",
		"St_Mary":                "St_Mary", // ids are case-sensitive
		"007":                    "007",     // and no numbers
		strings.Repeat("x", 63):  strings.Repeat("x", 63),
		"6F9619FF8B86D011B42D00": "6F9619FF8B86D011B42D00",

		"6f9619ff-8b86-d011-b42d-00cf4fc964ff": "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
		"6F9619FF-8B86-D011-B42D-00CF4FC964FF": "6f9619ff-8b86-d011-b42d-00cf4fc964ff", // PostgreSQL reads both
		"6F9619FF-8B86-D011-B42D-00CF4FC964FG": "6F9619FF-8B86-D011-B42D-00CF4FC964FG", // no UUID: G
		"6F9619FF_8B86_D011_B42D_00CF4FC964FF": "6F9619FF_8B86_D011_B42D_00CF4FC964FF", // no UUID: _
		"6F9619FF8-B86-D011-B42D-00CF4FC964FF": "6F9619FF8-B86-D011-B42D-00CF4FC964FF", // no UUID: dash misplaced
	} {
		id, err := tenant.ParseID(text)
		require.NoError(t, err, text)
		require.Equal(t, canonical, id.String())
		require.False(t, id.IsZero())
	}
}

func TestParseIDRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "a b", " a", "a ", "a\n", "\x00", "a\x00b", "a/b", "../a", ".", "a.b", "a:b", "a'b", `a"b`, "a;b", "a%62",
		"a\\b", "a$b", "a@b", "ä", "а", "ａ", "a\u200bb", "\xff", "\u212a", strings.Repeat("x", 64), strings.Repeat("x", 1<<20),
		"x' or '1'='1", "{6f9619ff-8b86-d011-b42d-00cf4fc964ff}", // X07
	} {
		id, err := tenant.ParseID(text)
		require.ErrorIs(t, err, tenant.ErrInvalidID, "%q", text)
		require.True(t, id.IsZero())
		var typed *tenant.Error
		require.ErrorAs(t, err, &typed)
		require.Equal(t, "ParseID", typed.Op)
		if len(strings.TrimSpace(text)) > 3 {
			require.NotContains(t, err.Error(), text, "an error does not repeat what may be another tenant's id")
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"", "a", "st-mary", "6F9619FF-8B86-D011-B42D-00CF4FC964FF", "a b", "ä", "\xff", "a'--"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := tenant.ParseID(text)
		if err != nil {
			require.ErrorIs(t, err, tenant.ErrInvalidID)
			require.True(t, id.IsZero())
			return
		}
		canonical := id.String()
		require.LessOrEqual(t, len(canonical), tenant.MaxIDLength)
		require.NotEmpty(t, canonical)
		require.Empty(t, strings.Trim(canonical, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"))
		require.True(t, strings.EqualFold(text, canonical))
		again, err := tenant.ParseID(canonical)
		require.NoError(t, err)
		require.Equal(t, id, again, "the canonical form is its own canonical form")
	})
}

func TestMustParseIDPanics(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a", tenant.MustParseID("a").String())
	require.Panics(t, func() { tenant.MustParseID("a b") })
}

func TestIDIsAComparableKey(t *testing.T) {
	t.Parallel()
	upper := tenant.MustParseID("6F9619FF-8B86-D011-B42D-00CF4FC964FF")
	lower := tenant.MustParseID("6f9619ff-8b86-d011-b42d-00cf4fc964ff")
	require.True(t, upper == lower)
	rows := map[tenant.ID]int{upper: 1}
	require.Equal(t, 1, rows[lower])
	require.Zero(t, rows[tenant.ID{}])
}

// The zero ID names nobody, so it must not travel: a reader would take "" for "no filter" (W04).
func TestZeroIDDoesNotTravel(t *testing.T) {
	t.Parallel()
	var zero tenant.ID
	require.True(t, zero.IsZero())
	require.Empty(t, zero.String())
	_, err := zero.MarshalText()
	require.ErrorIs(t, err, tenant.ErrInvalidID)
	_, err = json.Marshal(zero)
	require.ErrorIs(t, err, tenant.ErrInvalidID)
	_, err = json.Marshal(map[tenant.ID]int{zero: 1})
	require.ErrorContains(t, err, "not a tenant id")
	require.Error(t, gob.NewEncoder(&bytes.Buffer{}).Encode(zero))
}

func TestIDInJSON(t *testing.T) {
	t.Parallel()
	type row struct {
		Tenant tenant.ID         `json:"tenant,omitzero"`
		Count  map[tenant.ID]int `json:"count,omitempty"`
	}
	in := row{tenant.MustParseID("st-mary"), map[tenant.ID]int{tenant.MustParseID("b"): 2}}
	text, err := json.Marshal(in)
	require.NoError(t, err)
	require.JSONEq(t, `{"tenant":"st-mary","count":{"b":2}}`, string(text))
	var out row
	require.NoError(t, json.Unmarshal(text, &out))
	require.Equal(t, in, out)

	for _, bad := range []string{`{"tenant":""}`, `{"tenant":"a b"}`, `{"tenant":7}`, `{"tenant":["a"]}`, `{"count":{"":1}}`} {
		var out row
		require.Error(t, json.Unmarshal([]byte(bad), &out), bad)
		require.True(t, out.Tenant.IsZero(), bad)
	}
}

// A failed Unmarshal must not leave half an id, nor lose the one that was there.
func TestUnmarshalTextKeepsTheIDOnError(t *testing.T) {
	t.Parallel()
	id := tenant.MustParseID("a")
	require.ErrorIs(t, id.UnmarshalText([]byte("b c")), tenant.ErrInvalidID)
	require.Equal(t, "a", id.String())
	require.NoError(t, id.UnmarshalText([]byte("b")))
	require.Equal(t, "b", id.String())
}

func TestIDLogValue(t *testing.T) {
	t.Parallel()
	require.Equal(t, slog.StringValue("a"), tenant.MustParseID("a").LogValue())
	require.Equal(t, slog.StringValue("(no tenant)"), tenant.ID{}.LogValue())
}
