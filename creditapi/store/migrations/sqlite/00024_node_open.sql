-- +goose Up
-- The listens that were open when there was no row to count them on.
INSERT INTO adcredit_node (node, open_listens, minute, minute_amount, day, day_amount)
SELECT node, COUNT(*), 0, 0, 0, 0 FROM adcredit_listen WHERE state = 'started' GROUP BY node
ON CONFLICT DO NOTHING;
