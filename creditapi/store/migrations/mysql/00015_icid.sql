-- +goose Up
-- The charging identity of a listen's call in the IMS (RFC 7315); only calls of an
-- IMS have a row. By it the core's records and ours join.
CREATE TABLE IF NOT EXISTS adcredit_icid (
  listen_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  icid      VARCHAR(128) NOT NULL,
  PRIMARY KEY (listen_id),
  KEY adcredit_icid_value (icid)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
