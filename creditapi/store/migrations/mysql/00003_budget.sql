-- +goose Up
-- Day 0 is the campaign's whole budget, YYYYMMDD that of a day. A budget lies
-- on several rows so that calls don't queue for one.
CREATE TABLE IF NOT EXISTS adcredit_budget (
  campaign_id BIGINT   NOT NULL,
  day         INT      NOT NULL,
  shard       SMALLINT NOT NULL,
  amount      DECIMAL(15,5) UNSIGNED NOT NULL,
  held        DECIMAL(15,5) UNSIGNED NOT NULL,
  spent       DECIMAL(15,5) UNSIGNED NOT NULL,
  PRIMARY KEY (campaign_id, day, shard),
  CONSTRAINT adcredit_budget_room CHECK (held >= 0 AND spent >= 0 AND held + spent <= amount)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
