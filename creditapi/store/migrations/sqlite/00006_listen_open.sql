-- +goose Up
CREATE INDEX IF NOT EXISTS adcredit_listen_open ON adcredit_listen (state, expires_at);
