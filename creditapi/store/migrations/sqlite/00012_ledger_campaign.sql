-- +goose Up
CREATE INDEX IF NOT EXISTS adcredit_ledger_campaign ON adcredit_ledger (campaign_id, created_at);
