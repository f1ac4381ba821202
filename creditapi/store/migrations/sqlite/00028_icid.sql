-- +goose Up
-- The charging identity of a listen's call in the IMS (RFC 7315); only calls of an
-- IMS have a row. By it the core's records and ours join.
CREATE TABLE IF NOT EXISTS adcredit_icid (
  listen_id TEXT PRIMARY KEY,
  icid      TEXT NOT NULL
) STRICT;
