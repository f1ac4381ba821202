-- +goose Up
-- One row per listen, node and reason, so that nobody can fill the table; a
-- listen that does not exist has the id ''. The values are those of the last one.
CREATE TABLE IF NOT EXISTS adcredit_refusal (
  listen_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  node       VARCHAR(40) NOT NULL,
  reason     VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  n          INT         NOT NULL,
  account_id BIGINT      NOT NULL,
  endpos     BIGINT      NOT NULL,
  played_ms  BIGINT      NOT NULL,
  elapsed_ms BIGINT      NOT NULL,
  first_at   DATETIME(6) NOT NULL,
  last_at    DATETIME(6) NOT NULL,
  PRIMARY KEY (listen_id, node, reason),
  KEY adcredit_refusal_last (last_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
