-- +goose Up
-- What is asked in the middle of a listen's ad; most listens have no row.
CREATE TABLE IF NOT EXISTS adcredit_attention (
  listen_id TEXT    PRIMARY KEY,
  at_ms     INTEGER NOT NULL,
  digit     TEXT    NOT NULL
) STRICT;
