-- +goose Up
CREATE TABLE IF NOT EXISTS cc_logrefill (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  date        INTEGER NOT NULL,
  credit      INTEGER NOT NULL,
  card_id     INTEGER NOT NULL,
  description TEXT,
  refill_type INTEGER NOT NULL DEFAULT 0
) STRICT;
