-- +goose Up
-- What is asked in the middle of a listen's ad; most listens have no row. A table
-- and not two columns, since MySQL can't add a column twice without an error.
CREATE TABLE IF NOT EXISTS adcredit_attention (
  listen_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  at_ms     INT      NOT NULL,
  digit     CHAR(1) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (listen_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
