-- +goose Up
CREATE TABLE IF NOT EXISTS adcredit_ad (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id INTEGER NOT NULL REFERENCES adcredit_campaign (id),
  language    TEXT    NOT NULL,
  sound       TEXT    NOT NULL,
  rate_hz     INTEGER NOT NULL,
  samples     INTEGER NOT NULL
) STRICT;
