-- +goose Up
CREATE INDEX IF NOT EXISTS adcredit_ledger_account ON adcredit_ledger (account_id, created_at);
