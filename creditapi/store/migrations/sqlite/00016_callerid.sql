-- +goose Up
CREATE TABLE IF NOT EXISTS cc_callerid (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  cid        TEXT    NOT NULL UNIQUE,
  id_cc_card INTEGER NOT NULL,
  activated  TEXT    NOT NULL DEFAULT 't'
) STRICT;
