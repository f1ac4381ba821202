-- +goose Up
-- One row per node, with what its limits are held against: the listens that are
-- open now, and the rewards of those started in the minute (since 1970) and day.
CREATE TABLE IF NOT EXISTS adcredit_node (
  node          TEXT    PRIMARY KEY,
  open_listens  INTEGER NOT NULL,
  minute        INTEGER NOT NULL,
  minute_amount INTEGER NOT NULL,
  day           INTEGER NOT NULL,
  day_amount    INTEGER NOT NULL
) STRICT;
