-- +goose Up
-- Day 0 is the campaign's whole budget, YYYYMMDD that of a day.
CREATE TABLE IF NOT EXISTS adcredit_budget (
  campaign_id INTEGER NOT NULL,
  day         INTEGER NOT NULL,
  shard       INTEGER NOT NULL,
  amount      INTEGER NOT NULL,
  held        INTEGER NOT NULL,
  spent       INTEGER NOT NULL,
  PRIMARY KEY (campaign_id, day, shard),
  CHECK (held >= 0 AND spent >= 0 AND held + spent <= amount)
) STRICT, WITHOUT ROWID;
