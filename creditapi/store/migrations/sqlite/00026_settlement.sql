-- +goose Up
-- What persons decided about entries in doubt. Rows are added, never changed.
CREATE TABLE IF NOT EXISTS adcredit_settlement (
  id         TEXT    PRIMARY KEY,
  entry_id   INTEGER NOT NULL,
  decision   TEXT    NOT NULL,
  cause      TEXT    NOT NULL,
  settled_by TEXT    NOT NULL,
  reason     TEXT    NOT NULL,
  settled_at INTEGER NOT NULL
) STRICT;
