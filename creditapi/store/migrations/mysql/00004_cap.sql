-- +goose Up
-- Campaign 0 is the account's own cap.
CREATE TABLE IF NOT EXISTS adcredit_cap (
  account_id  BIGINT     NOT NULL,
  day         INT        NOT NULL,
  campaign_id BIGINT     NOT NULL,
  kind        VARCHAR(6) NOT NULL,
  n           INT        NOT NULL,
  PRIMARY KEY (account_id, day, campaign_id, kind),
  CONSTRAINT adcredit_cap_n CHECK (n >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
