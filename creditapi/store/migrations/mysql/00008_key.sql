-- +goose Up
CREATE TABLE IF NOT EXISTS adcredit_key (
  id         CHAR(12)     NOT NULL,
  name       VARCHAR(60)  NOT NULL,
  node       VARCHAR(40)  NOT NULL,
  scopes     VARCHAR(100) NOT NULL,
  hash       CHAR(64)     NOT NULL,
  created_at DATETIME(6)  NOT NULL,
  expires_at DATETIME(6)  NULL,
  revoked_at DATETIME(6)  NULL,
  last_used  DATETIME(6)  NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
