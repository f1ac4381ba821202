-- +goose Up
-- Starts by the number that calls. Account 0 is the number's own cap, over all
-- accounts that it calls with.
CREATE TABLE IF NOT EXISTS adcredit_caller (
  day        INTEGER NOT NULL,
  caller_id  TEXT    NOT NULL,
  account_id INTEGER NOT NULL,
  n          INTEGER NOT NULL,
  PRIMARY KEY (day, caller_id, account_id)
) STRICT, WITHOUT ROWID;
