-- +goose Up
INSERT OR IGNORE INTO cc_config (id, config_key, config_value, config_group_title) VALUES
  (1, 'base_currency', 'XOF', 'global'),
  (2, 'min_credit_2call', '0', 'agi-conf1');
