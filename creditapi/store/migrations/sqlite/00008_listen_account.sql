-- +goose Up
CREATE INDEX IF NOT EXISTS adcredit_listen_account ON adcredit_listen (account_id, started_at);
