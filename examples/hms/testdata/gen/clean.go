package main

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// free are the code systems whose codes and texts stay: HL7's own, units of measure, languages, the public-domain drug
// lists of the United States, and systems made up for examples. Every other coding becomes a neutral one.
var free = []string{
	"http://terminology.hl7.org/", "http://hl7.org/fhir/ex-", "http://hl7.org/fhir/animal-species", "http://hl7.org/fhir/sid/ndc",
	"http://unitsofmeasure.org", "urn:ietf:bcp:47", "http://www.nlm.nih.gov/research/umls/rxnorm", "http://example.org/", "http://acme",
	"http://localdruglist.org", "http://fdi.org/fhir/", neutralSystem,
}

// neutralSystem is the system of the codes that stand for those of licensed systems. Their titles are in codes.csv.
const neutralSystem = "urn:septum:hms"

// dropped fields hold text made from licensed systems (narratives, the names on references) or weigh much and show nothing.
var dropped = []string{"div", "photo", "image", "data", "extension", "modifierExtension", "meta", "note", "referenceRange", "dosageInstruction"}

// clean strips a resource of narratives and of the codes and texts of licensed code systems.
func clean(r resource, licensed map[string]bool) {
	delete(r, "text") // the narrative; a CodeableConcept's text is dealt with below
	contained, _ := r["contained"].([]any)
	for _, c := range contained {
		if c, ok := c.(map[string]any); ok {
			delete(c, "text")
		}
	}
	cleanObject(r, licensed)
}

func cleanValue(v any, licensed map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		cleanObject(v, licensed)
	case []any:
		for _, e := range v {
			cleanValue(e, licensed)
		}
	}
}

func cleanObject(o map[string]any, licensed map[string]bool) {
	for _, field := range dropped {
		delete(o, field)
	}
	if _, ok := o["reference"]; ok {
		delete(o, "display")
	}
	if system, ok := o["system"].(string); ok && o["code"] != nil && !isFree(system) {
		delete(o, "system") // of a quantity's unit: its name stays
		delete(o, "code")
	}
	if codings, ok := o["coding"].([]any); ok {
		if kept, changed := neutral(codings); changed {
			o["coding"] = kept
			delete(o, "text")
		}
	}
	for k, v := range o {
		cleanValue(v, licensed)
		text, isText := v.(string)
		inner, isObject := v.(map[string]any)
		if isText && licensed[strings.ToLower(text)] || isObject && len(inner) == 0 {
			delete(o, k) // a licensed text written elsewhere, or an object that held only extensions
		}
	}
}

// collectLicensed notes every text that the package gives to a code of a licensed system.
func collectLicensed(v any, licensed map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		system, _ := v["system"].(string)
		display, _ := v["display"].(string)
		if display != "" && system != "" && !isFree(system) {
			plain, _, _ := strings.Cut(strings.ToLower(display), " (")
			licensed[strings.ToLower(display)], licensed[plain] = true, true
		}
		for _, e := range v {
			collectLicensed(e, licensed)
		}
	case []any:
		for _, e := range v {
			collectLicensed(e, licensed)
		}
	}
}

// neutral keeps the free codings and puts one neutral code in the place of all the others: it is made of the first one, so that
// equal concepts stay equal.
func neutral(codings []any) (kept []any, changed bool) {
	for _, c := range codings {
		c, _ := c.(map[string]any)
		system, _ := c["system"].(string)
		code, hasCode := c["code"].(string)
		if isFree(system) {
			kept = append(kept, c)
			continue
		}
		if !changed && hasCode {
			sum := sha256.Sum256([]byte(system + "|" + code))
			kept = append([]any{map[string]any{"system": neutralSystem, "code": "HMS-" + hex.EncodeToString(sum[:3])}}, kept...)
		}
		changed = true
	}
	return kept, changed
}

func isFree(system string) bool {
	return slices.ContainsFunc(free, func(prefix string) bool { return strings.HasPrefix(system, prefix) })
}
