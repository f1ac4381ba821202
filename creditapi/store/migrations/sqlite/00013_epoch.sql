-- +goose Up
-- Never filled here: credit and ledger change in one transaction.
CREATE TABLE IF NOT EXISTS adcredit_epoch (
  one INTEGER PRIMARY KEY,
  id  TEXT NOT NULL
) STRICT;
