-- +goose Up
CREATE TABLE IF NOT EXISTS cc_currencies (
  id       INTEGER PRIMARY KEY,
  currency TEXT    NOT NULL UNIQUE,
  value    INTEGER NOT NULL
) STRICT;
