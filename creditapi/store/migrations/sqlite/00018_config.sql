-- +goose Up
CREATE TABLE IF NOT EXISTS cc_config (
  id                 INTEGER PRIMARY KEY,
  config_key         TEXT,
  config_value       TEXT,
  config_group_title TEXT NOT NULL
) STRICT;
