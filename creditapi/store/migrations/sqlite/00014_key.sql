-- +goose Up
CREATE TABLE IF NOT EXISTS adcredit_key (
  id         TEXT    PRIMARY KEY,
  name       TEXT    NOT NULL,
  node       TEXT    NOT NULL,
  scopes     TEXT    NOT NULL,
  hash       TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  last_used  INTEGER
) STRICT;
