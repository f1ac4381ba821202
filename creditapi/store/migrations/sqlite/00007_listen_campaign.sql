-- +goose Up
CREATE INDEX IF NOT EXISTS adcredit_listen_campaign ON adcredit_listen (campaign_id, started_at);
