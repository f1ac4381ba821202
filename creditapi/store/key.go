package store

import (
	"context"
	"strings"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

const keyColumns = `id, name, node, scopes, hash, created_at, expires_at, revoked_at, last_used`

func scanKey(scan func(...any) error) (k credit.Key, err error) {
	var scopes string
	err = scan(&k.ID, &k.Name, &k.Node, &scopes, &k.Hash, instant(&k.CreatedAt),
		instantOrNil(&k.ExpiresAt), instantOrNil(&k.RevokedAt), instantOrNil(&k.LastUsed))
	k.Scopes = strings.Split(scopes, ",")
	return k, err
}

const noKey = "There is no such key."

// Key finds a key by its public id.
func (s *Store) Key(ctx context.Context, id string) (credit.Key, error) {
	k, err := scanKey(s.pool().row(ctx, `SELECT `+keyColumns+` FROM adcredit_key WHERE id = ?`, id).Scan)
	return k, s.fail("read a key", absent(err, wire.NotFound, noKey))
}

// Keys lists all keys, the newest first.
func (s *Store) Keys(ctx context.Context) ([]credit.Key, error) {
	keys := []credit.Key{}
	err := s.pool().each(ctx, func(scan func(...any) error) error {
		k, err := scanKey(scan)
		keys = append(keys, k)
		return err
	}, `SELECT `+keyColumns+` FROM adcredit_key ORDER BY created_at DESC, id`)
	return keys, s.fail("list keys", err)
}

// AddKey records a key; it is created now.
func (s *Store) AddKey(ctx context.Context, k credit.Key) error {
	return s.fail("add a key", s.tx(ctx, func(q session) error {
		_, err := q.exec(ctx, `INSERT INTO adcredit_key (id, name, node, scopes, hash, created_at, expires_at)
			VALUES (?, ?, ?, ?, ?, {now}, ?)`, k.ID, k.Name, k.Node, strings.Join(k.Scopes, ","), k.Hash, k.ExpiresAt)
		return err
	}))
}

// RevokeKey ends a key for good; the first time stays recorded.
func (s *Store) RevokeKey(ctx context.Context, id string) error {
	if _, err := s.Key(ctx, id); err != nil {
		return err
	}
	return s.fail("revoke a key", s.tx(ctx, func(q session) error {
		_, err := q.exec(ctx, `UPDATE adcredit_key SET revoked_at = {now} WHERE id = ? AND revoked_at IS NULL`, id)
		return err
	}))
}

// touchEvery spares the database a write per request.
const touchEvery = time.Minute

// TouchKey notes that the key was used, to the minute.
func (s *Store) TouchKey(ctx context.Context, id string) error {
	return s.fail("note the use of a key", s.tx(ctx, func(q session) error {
		_, err := q.exec(ctx, `UPDATE adcredit_key SET last_used = {now}
			WHERE id = ? AND (last_used IS NULL OR last_used < {before})`, id, touchEvery)
		return err
	}))
}
