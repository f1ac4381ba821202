-- +goose Up
-- The playing_ columns are set while the listen may be playing: one per account
-- and one per call.
CREATE TABLE IF NOT EXISTS adcredit_listen (
  id              TEXT    PRIMARY KEY,
  node            TEXT    NOT NULL,
  idempotency_key TEXT    NOT NULL,
  digest          TEXT    NOT NULL,
  account_id      INTEGER NOT NULL,
  card            TEXT    NOT NULL,
  call_id         TEXT    NOT NULL,
  destination     TEXT    NOT NULL,
  campaign_id     INTEGER NOT NULL,
  ad_id           INTEGER NOT NULL,
  language        TEXT    NOT NULL,
  reward          INTEGER NOT NULL,
  day             INTEGER NOT NULL,
  budget_shard    INTEGER NOT NULL,
  daily_shard     INTEGER,
  state           TEXT    NOT NULL,
  playing_account INTEGER UNIQUE,
  playing_call    TEXT    UNIQUE,
  started_at      INTEGER NOT NULL,
  busy_until      INTEGER NOT NULL,
  expires_at      INTEGER NOT NULL,
  ended_at        INTEGER,
  endpos          INTEGER,
  played_ms       INTEGER,
  heard_at        INTEGER,
  cause           TEXT,
  UNIQUE (node, idempotency_key)
) STRICT;
