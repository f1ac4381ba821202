-- +goose Up
-- What persons decided about entries in doubt. Rows are added, never changed.
CREATE TABLE IF NOT EXISTS adcredit_settlement (
  id         CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  entry_id   BIGINT       NOT NULL,
  decision   VARCHAR(4) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  cause      VARCHAR(40)  NOT NULL,
  settled_by VARCHAR(60)  NOT NULL,
  reason     VARCHAR(200) NOT NULL,
  settled_at DATETIME(6)  NOT NULL,
  PRIMARY KEY (id),
  KEY adcredit_settlement_entry (entry_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
