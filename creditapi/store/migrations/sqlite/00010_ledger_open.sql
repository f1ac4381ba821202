-- +goose Up
CREATE INDEX IF NOT EXISTS adcredit_ledger_open ON adcredit_ledger (state, created_at);
