// Command gen derives the demo's data from the npm package hl7.fhir.r4.examples; SOURCE.md beside it says what it changes.
//
//	npm pack hl7.fhir.r4.examples@4.0.1 && tar xzf hl7.fhir.r4.examples-4.0.1.tgz
//	go run ./examples/hms/testdata/gen -package package -out examples/hms/testdata
//
// The same package gives the same bytes.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// hospital is one tenant of the demo: its patients, by FHIR id, and the form of its file.
type hospital struct {
	name     string
	file     string
	patients []string
}

// Two patients are known to all three hospitals under the same FHIR id, as patients are who move between hospitals.
var hospitals = []hospital{
	{"mercy", "bundle.json", []string{"example", "pat1", "infant-mom", "infant-twin-1", "infant-twin-2", "newborn", "mom", "genetics-example1", "ch-example"}},
	{"mercy-north", "resources.ndjson", []string{"f001", "f201", "example", "pat1", "xcda", "ihe-pcd", "dicom"}},
	{"lakeside", "bundle.json", []string{"pat1", "example", "pat2", "pat3", "pat4", "glossy", "xds", "proband", "infant-fetal"}},
}

// Patients that the package refers to and does not hold, and contained ones, stand for one that it holds.
var aliases = map[string]string{
	"Patient/1": "Patient/example", "#patient-1": "Patient/example",
	"Patient/infant": "Patient/infant-twin-1", "#newborn": "Patient/newborn",
	"Patient/727127": "Patient/genetics-example1", "Patient/brcapat": "Patient/genetics-example1", "Patient/PatientId-patientId": "Patient/mom",
}

// events are what happens to a patient, in the order in which they are dealt to the hospitals: encounters first, since
// what belongs to an encounter follows it.
var events = []string{"Encounter", "Condition", "Observation", "MedicationRequest", "Appointment", "ChargeItem", "Invoice", "Claim", "Procedure", "AllergyIntolerance"}

// shared are copied to each hospital that refers to them, under the same FHIR id.
var shared = []string{"Practitioner", "Organization", "Location", "Medication"}

type resource map[string]any

func (r resource) ref() string { return fmt.Sprintf("%v/%v", r["resourceType"], r["id"]) }

func main() {
	dir := flag.String("package", "package", "the unpacked npm package")
	out := flag.String("out", "examples/hms/testdata", "where the hospitals' folders go")
	flag.Parse()
	if err := run(*dir, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(dir, out string) error {
	all, err := read(dir)
	if err != nil {
		return err
	}
	for i, rs := range deal(all) {
		if err := write(filepath.Join(out, hospitals[i].name, hospitals[i].file), hospitals[i].name, rs); err != nil {
			return err
		}
	}
	return nil
}

func read(dir string) (map[string]resource, error) {
	all, licensed := map[string]resource{}, map[string]bool{}
	for _, kind := range slices.Concat([]string{"Patient"}, events, shared) {
		files, err := filepath.Glob(filepath.Join(dir, kind+"-*.json"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			var r resource
			dec := json.NewDecoder(bytes.NewReader(text))
			dec.UseNumber()
			if err := dec.Decode(&r); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			if r["resourceType"] == kind { // "Medication-*" matches other kinds of file names too
				all[r.ref()] = r
				collectLicensed(map[string]any(r), licensed)
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no resources in " + dir)
	}
	for _, r := range all {
		clean(r, licensed)
	}
	return all, nil
}

// deal gives each hospital its resources: patients by the table above, events to a hospital of their patient in turn.
func deal(all map[string]resource) [][]resource {
	out := make([][]resource, len(hospitals))
	has := make([]map[string]bool, len(hospitals))
	for i, h := range hospitals {
		has[i] = map[string]bool{}
		for _, p := range h.patients {
			has[i]["Patient/"+p] = true
			out[i] = append(out[i], all["Patient/"+p])
		}
	}
	for _, kind := range events {
		turn := 0
		for _, ref := range sorted(all, kind) {
			r := all[ref]
			patient := subject(r)
			var candidates []int
			for i := range hospitals {
				if has[i][patient] {
					candidates = append(candidates, i)
				}
			}
			if len(candidates) == 0 {
				continue // of a herd, or of nobody
			}
			at := candidates[turn%len(candidates)]
			if i := slices.IndexFunc(candidates, func(i int) bool { return has[i][encounter(r)] && subject(all[encounter(r)]) == patient }); i >= 0 {
				at = candidates[i]
			} else {
				delete(r, "encounter")
				delete(r, "context")
			}
			if len(candidates) > 1 {
				turn++
			}
			has[at][ref] = true
			out[at] = append(out[at], r)
		}
	}
	for i := range out {
		for n := 0; n < len(out[i]); n++ { // grows while it runs: an organization is part of another
			for _, ref := range references(out[i][n]) {
				if kind, _, _ := strings.Cut(ref, "/"); slices.Contains(shared, kind) && !has[i][ref] && all[ref] != nil {
					has[i][ref] = true
					out[i] = append(out[i], all[ref])
				}
			}
		}
	}
	return out
}

// subject is the patient of an event; it writes the alias into the resource when it finds one.
func subject(r resource) string {
	if r == nil {
		return ""
	}
	for _, field := range []string{"subject", "patient"} {
		if s, ok := r[field].(map[string]any); ok {
			return unalias(s)
		}
	}
	participants, _ := r["participant"].([]any)
	for _, p := range participants {
		actor, _ := p.(map[string]any)["actor"].(map[string]any)
		if ref := unalias(actor); strings.HasPrefix(ref, "Patient/") {
			return ref
		}
	}
	return ""
}

func unalias(s map[string]any) string {
	ref, _ := s["reference"].(string)
	if alias, ok := aliases[ref]; ok {
		s["reference"], ref = alias, alias
	}
	return ref
}

func encounter(r resource) string {
	for _, field := range []string{"encounter", "context"} {
		if e, ok := r[field].(map[string]any); ok {
			ref, _ := e["reference"].(string)
			return ref
		}
	}
	return ""
}

func references(v any) (refs []string) {
	switch v := v.(type) {
	case resource:
		return references(map[string]any(v))
	case map[string]any:
		for _, k := range sortedKeys(v) {
			if ref, ok := v[k].(string); ok && k == "reference" {
				refs = append(refs, ref)
			}
			refs = append(refs, references(v[k])...)
		}
	case []any:
		for _, e := range v {
			refs = append(refs, references(e)...)
		}
	}
	return refs
}

func sorted(all map[string]resource, kind string) (refs []string) {
	for ref := range all {
		if strings.HasPrefix(ref, kind+"/") {
			refs = append(refs, ref)
		}
	}
	sort.Strings(refs)
	return refs
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// write puts one resource a line, in a Bundle for .json and bare for .ndjson.
func write(file, name string, rs []resource) error {
	var b bytes.Buffer
	bundle := strings.HasSuffix(file, ".json")
	if bundle {
		b.WriteString("{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[\n")
	}
	for i, r := range rs {
		text, err := marshal(r)
		if err != nil {
			return err
		}
		if !bundle {
			fmt.Fprintf(&b, "%s\n", text)
			continue
		}
		comma := ","
		if i == len(rs)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, "{\"fullUrl\":\"https://%s.example/fhir/%s\",\"resource\":%s}%s\n", name, r.ref(), text, comma)
	}
	if bundle {
		b.WriteString("]}\n")
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}
