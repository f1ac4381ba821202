-- +goose Up
-- One row per listen, node and reason, so that nobody can fill the table; a
-- listen that does not exist has the id ''. The values are those of the last one.
CREATE TABLE IF NOT EXISTS adcredit_refusal (
  listen_id  TEXT    NOT NULL,
  node       TEXT    NOT NULL,
  reason     TEXT    NOT NULL,
  n          INTEGER NOT NULL,
  account_id INTEGER NOT NULL,
  endpos     INTEGER NOT NULL,
  played_ms  INTEGER NOT NULL,
  elapsed_ms INTEGER NOT NULL,
  first_at   INTEGER NOT NULL,
  last_at    INTEGER NOT NULL,
  PRIMARY KEY (listen_id, node, reason)
) STRICT, WITHOUT ROWID;
