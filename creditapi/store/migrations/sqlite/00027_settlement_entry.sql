-- +goose Up
CREATE INDEX IF NOT EXISTS adcredit_settlement_entry ON adcredit_settlement (entry_id);
