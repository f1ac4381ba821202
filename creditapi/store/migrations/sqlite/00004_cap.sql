-- +goose Up
-- Campaign 0 is the account's own cap.
CREATE TABLE IF NOT EXISTS adcredit_cap (
  account_id  INTEGER NOT NULL,
  day         INTEGER NOT NULL,
  campaign_id INTEGER NOT NULL,
  kind        TEXT    NOT NULL,
  n           INTEGER NOT NULL CHECK (n >= 0),
  PRIMARY KEY (account_id, day, campaign_id, kind)
) STRICT, WITHOUT ROWID;
