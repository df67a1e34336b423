package fhir

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       []string
		empty      int
	}{
		{"one resource", `{"resourceType":"Patient","id":"a"}`, []string{"Patient/a"}, 0},
		{"with a byte order mark", "\ufeff" + `{"resourceType":"Patient","id":"a"}`, []string{"Patient/a"}, 0},
		{"NDJSON", `{"resourceType":"Patient","id":"a"}` + "\n\n" + `{"resourceType":"Patient","id":"b"}` + "\n", []string{"Patient/a", "Patient/b"}, 0},
		{"pretty-printed, one after the other", "{\n \"resourceType\": \"Patient\",\n \"id\": \"a\"\n}\n{\"resourceType\":\"Basic\",\"id\":\"b\"}", []string{"Patient/a", "Basic/b"}, 0},
		{"bundle", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"a"}},{"request":{"method":"DELETE"}}]}`, []string{"Patient/a"}, 1},
		{"bundle in a bundle", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"a"}}]}}]}`, []string{"Patient/a"}, 0},
		{"no id but a URL", `{"resourceType":"Bundle","entry":[{"fullUrl":"urn:uuid:41","resource":{"resourceType":"Patient"}}]}`, []string{"Patient/41"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, err := Read("x.json", strings.NewReader(c.text))
			require.NoError(t, err)
			var got []string
			for i, r := range f.Resources {
				require.Equal(t, i, r.Index)
				got = append(got, r.Kind+"/"+r.ID)
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.empty, f.Empty)
		})
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		index      int
		why        string
	}{
		{"empty", "", -1, "no resource"},
		{"cut off in the second resource", `{"resourceType":"Patient","id":"a"}` + "\n" + `{"resourceType":"Pat`, 1, "ends in the middle"},
		{"cut off bundle", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"`, 0, "ends in the middle"},
		{"no JSON", "<Patient/>", 0, "invalid character"},
		{"JSON of something else", `{"name":"x"}`, 0, "resourceType"},
		{"an array", `[{"resourceType":"Patient"}]`, 0, "array"},
		{"a number", `7`, 0, "number"},
		{"entries that are no list", `{"resourceType":"Bundle","entry":{}}`, 0, "entry"},
		{"bundles without end", strings.Repeat(`{"resourceType":"Bundle","entry":[{"resource":`, 9) + `{"resourceType":"Patient"}` + strings.Repeat(`}]}`, 9), 0, "8 bundles"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Read("x.json", strings.NewReader(c.text))
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.index, e.Index)
			require.ErrorContains(t, err, c.why)
			require.ErrorContains(t, err, "nothing of the file was stored")
		})
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	f := &File{urls: map[string]string{"urn:uuid:1": "Patient/1", "https://a.example/fhir/Patient/2": "Patient/2"}}
	for reference, want := range map[string]string{
		"Patient/7": "Patient/7", "Patient/7/_history/3": "Patient/7", "urn:uuid:1": "Patient/1", "https://a.example/fhir/Patient/2": "Patient/2",
		// Another server's patient is not ours, though the number may be.
		"https://b.example/fhir/Patient/2": "", "#inside": "", "urn:uuid:9": "", "": "", "Patient": "", "a/b/c": "",
	} {
		require.Equal(t, want, f.resolve(reference), reference)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{`{"resourceType":"Patient","id":"a","name":[{"family":"x"}]}`, `{"resourceType":"Bundle","entry":[{}]}`,
		`{"resourceType":"Observation","valueQuantity":{"value":1e9},"component":[{}]}`, `{"resourceType":"Claim","item":[{"net":{"value":"1"}}]}`,
		`{"resourceType":"Encounter","period":{"start":"2024"},"location":[{}]}`, `{"resourceType":"Appointment","participant":[{"actor":{"reference":"Patient/1"}}]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Read("fuzz", strings.NewReader(text))
		if err != nil {
			var e *Error
			require.ErrorAs(t, err, &e)
			return
		}
		for _, r := range file.Resources {
			if convert := converters[r.Kind]; convert != nil {
				rows, err := convert(r)
				if err == nil && r.Kind != "Claim" {
					require.NotEmpty(t, rows)
				}
			}
		}
	})
}
