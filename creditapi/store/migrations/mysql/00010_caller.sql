-- +goose Up
-- Starts by the number that calls. Account 0 is the number's own cap, over all
-- accounts that it calls with.
CREATE TABLE IF NOT EXISTS adcredit_caller (
  day        INT         NOT NULL,
  caller_id  VARCHAR(40) NOT NULL,
  account_id BIGINT      NOT NULL,
  n          INT         NOT NULL,
  PRIMARY KEY (day, caller_id, account_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
