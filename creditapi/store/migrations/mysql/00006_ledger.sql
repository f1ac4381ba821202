-- +goose Up
-- One row per grant and per refill by hand. epoch is set where the server can
-- come back from a crash with credit and ledger apart.
CREATE TABLE IF NOT EXISTS adcredit_ledger (
  id              BIGINT        NOT NULL AUTO_INCREMENT,
  listen_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  idempotency_key VARCHAR(100)  NULL,
  digest          CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  account_id      BIGINT        NOT NULL,
  card            VARCHAR(50)   NOT NULL,
  amount          DECIMAL(15,5) UNSIGNED NOT NULL,
  state           VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  cause           VARCHAR(40)   NULL,
  epoch           CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  logrefill_after BIGINT        NOT NULL,
  node            VARCHAR(60)   NOT NULL,
  reason          VARCHAR(200)  NOT NULL,
  campaign_id     BIGINT        NULL,
  created_at      DATETIME(6)   NOT NULL,
  applied_at      DATETIME(6)   NULL,
  logged_at       DATETIME(6)   NULL,
  PRIMARY KEY (id),
  UNIQUE KEY adcredit_ledger_listen (listen_id),
  UNIQUE KEY adcredit_ledger_key (node, idempotency_key),
  KEY adcredit_ledger_open (state, created_at),
  KEY adcredit_ledger_account (account_id, created_at),
  KEY adcredit_ledger_campaign (campaign_id, created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
