-- +goose Up
CREATE TABLE IF NOT EXISTS adcredit_campaign (
  id           BIGINT        NOT NULL AUTO_INCREMENT,
  name         VARCHAR(60)   NOT NULL,
  state        VARCHAR(10)   NOT NULL,
  reward       DECIMAL(15,5) UNSIGNED NOT NULL,
  budget       DECIMAL(15,5) UNSIGNED NOT NULL,
  daily_budget DECIMAL(15,5) UNSIGNED NOT NULL,
  per_day      INT           NOT NULL,
  starts_at    DATETIME(6)   NULL,
  ends_at      DATETIME(6)   NULL,
  from_minute  SMALLINT      NOT NULL,
  to_minute    SMALLINT      NOT NULL,
  created_at   DATETIME(6)   NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY adcredit_campaign_name (name),
  KEY adcredit_campaign_state (state)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
