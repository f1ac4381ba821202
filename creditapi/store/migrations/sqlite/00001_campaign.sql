-- +goose Up
CREATE TABLE IF NOT EXISTS adcredit_campaign (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  name         TEXT    NOT NULL UNIQUE,
  state        TEXT    NOT NULL,
  reward       INTEGER NOT NULL,
  budget       INTEGER NOT NULL,
  daily_budget INTEGER NOT NULL,
  per_day      INTEGER NOT NULL,
  starts_at    INTEGER,
  ends_at      INTEGER,
  from_minute  INTEGER NOT NULL,
  to_minute    INTEGER NOT NULL,
  created_at   INTEGER NOT NULL
) STRICT;
