-- +goose Up
CREATE TABLE IF NOT EXISTS adcredit_ad (
  id          BIGINT       NOT NULL AUTO_INCREMENT,
  campaign_id BIGINT       NOT NULL,
  language    VARCHAR(5)   NOT NULL,
  sound       VARCHAR(100) NOT NULL,
  rate_hz     BIGINT       NOT NULL,
  samples     BIGINT       NOT NULL,
  PRIMARY KEY (id),
  KEY adcredit_ad_campaign (campaign_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
