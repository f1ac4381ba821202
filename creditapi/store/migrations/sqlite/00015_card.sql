-- +goose Up
-- From here on: stand-ins for A2Billing's tables, with the columns that we read.
CREATE TABLE IF NOT EXISTS cc_card (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  username       TEXT    NOT NULL UNIQUE,
  useralias      TEXT    NOT NULL UNIQUE,
  credit         INTEGER NOT NULL DEFAULT 0 CHECK (credit BETWEEN -999999999999999 AND 999999999999999),
  typepaid       INTEGER DEFAULT 0,
  creditlimit    INTEGER DEFAULT 0,
  status         INTEGER NOT NULL DEFAULT 1,
  enableexpire   INTEGER DEFAULT 0,
  expiredays     INTEGER DEFAULT 0,
  expirationdate INTEGER NOT NULL DEFAULT 0,
  firstusedate   INTEGER NOT NULL DEFAULT 0,
  creationdate   INTEGER NOT NULL DEFAULT 0,
  inuse          INTEGER DEFAULT 0,
  simultaccess   INTEGER DEFAULT 0,
  language       TEXT    DEFAULT 'en',
  currency       TEXT    DEFAULT 'USD'
) STRICT;
