// Package fhir reads FHIR R4 JSON (http://hl7.org/fhir/R4/json.html) into the hospital's tables: a Bundle of any type, a single resource, or
// NDJSON, as a bulk export gives it.
//
// A file is read and checked as a whole and then stored in one transaction: a file that is cut off, garbled, or refused by the
// database leaves nothing behind, and the [Error] names the resource. What is not imported (other kinds, events of no
// known patient, references that lead nowhere) is counted in the [Summary], never dropped in silence.
package fhir
