package store

import "context"

// insertICID records the call's charging identity in the IMS, if it has one. It
// has a table of its own, since no listen has one where there is no IMS.
func (q session) insertICID(ctx context.Context, listen, icid string) error {
	if icid == "" {
		return nil
	}
	_, err := q.exec(ctx, `INSERT INTO adcredit_icid (listen_id, icid) VALUES (?, ?)`, listen, icid)
	return err
}
