-- +goose Up
-- In memory on purpose: a restart of the server empties it.
CREATE TABLE IF NOT EXISTS adcredit_epoch (
  one TINYINT  NOT NULL,
  id  CHAR(36) NOT NULL,
  PRIMARY KEY (one)
) ENGINE=MEMORY DEFAULT CHARSET=ascii COLLATE=ascii_bin;
