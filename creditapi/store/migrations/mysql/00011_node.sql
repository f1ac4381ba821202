-- +goose Up
-- One row per node, with what its limits are held against: the listens that are
-- open now, and the rewards of those started in the minute (since 1970) and day.
CREATE TABLE IF NOT EXISTS adcredit_node (
  node          VARCHAR(40)   NOT NULL,
  open_listens  INT           NOT NULL,
  minute        BIGINT        NOT NULL,
  minute_amount DECIMAL(20,5) NOT NULL,
  day           INT           NOT NULL,
  day_amount    DECIMAL(20,5) NOT NULL,
  PRIMARY KEY (node)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
