-- +goose Up
CREATE INDEX IF NOT EXISTS adcredit_icid_value ON adcredit_icid (icid);
