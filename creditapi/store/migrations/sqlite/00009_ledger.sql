-- +goose Up
-- One row per grant and per refill by hand.
CREATE TABLE IF NOT EXISTS adcredit_ledger (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  listen_id       TEXT    UNIQUE,
  idempotency_key TEXT,
  digest          TEXT,
  account_id      INTEGER NOT NULL,
  card            TEXT    NOT NULL,
  amount          INTEGER NOT NULL CHECK (amount > 0),
  state           TEXT    NOT NULL,
  cause           TEXT,
  epoch           TEXT,
  logrefill_after INTEGER NOT NULL,
  node            TEXT    NOT NULL,
  reason          TEXT    NOT NULL,
  campaign_id     INTEGER,
  created_at      INTEGER NOT NULL,
  applied_at      INTEGER,
  logged_at       INTEGER,
  UNIQUE (node, idempotency_key)
) STRICT;
