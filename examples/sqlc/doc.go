// Package sqlc shows how code that sqlc generated runs behind Septum's walls without being changed: package wards is what
// sqlc 1.31 wrote for queries.sql, and rls.NewGenerated is its DBTX. In CI the same file is proved with
//
//	septum verify --catalog examples/sqlc/catalog.json examples/sqlc/queries.sql
package sqlc
