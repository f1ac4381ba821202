-- +goose Up
-- The playing_ columns are set while the listen may be playing: one per account
-- and one per call. What is compared with text from outside is utf8mb4 here and
-- elsewhere: beside an ascii column a single other letter is an error.
CREATE TABLE IF NOT EXISTS adcredit_listen (
  id              CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  node            VARCHAR(40)   NOT NULL,
  idempotency_key VARCHAR(100)  NOT NULL,
  digest          CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  account_id      BIGINT        NOT NULL,
  card            VARCHAR(50)   NOT NULL,
  call_id         VARCHAR(100)  NOT NULL,
  destination     VARCHAR(40)   NOT NULL,
  campaign_id     BIGINT        NOT NULL,
  ad_id           BIGINT        NOT NULL,
  language        VARCHAR(5)    NOT NULL,
  reward          DECIMAL(15,5) UNSIGNED NOT NULL,
  day             INT           NOT NULL,
  budget_shard    SMALLINT      NOT NULL,
  daily_shard     SMALLINT      NULL,
  state           VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  playing_account BIGINT        NULL,
  playing_call    VARCHAR(141)  NULL,
  started_at      DATETIME(6)   NOT NULL,
  busy_until      DATETIME(6)   NOT NULL,
  expires_at      DATETIME(6)   NOT NULL,
  ended_at        DATETIME(6)   NULL,
  endpos          BIGINT        NULL,
  played_ms       BIGINT        NULL,
  heard_at        DATETIME(6)   NULL,
  cause           VARCHAR(40)   NULL,
  PRIMARY KEY (id),
  UNIQUE KEY adcredit_listen_key (node, idempotency_key),
  UNIQUE KEY adcredit_listen_playing_account (playing_account),
  UNIQUE KEY adcredit_listen_playing_call (playing_call),
  KEY adcredit_listen_open (state, expires_at),
  KEY adcredit_listen_campaign (campaign_id, started_at),
  KEY adcredit_listen_account (account_id, started_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
