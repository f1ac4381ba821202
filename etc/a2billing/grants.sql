-- The rights of creditapi in A2Billing's database. Put passwords of your own, in
-- quotes, where the two <...> stand, then run it as an administrator:
--
--   mysql mya2billing < grants.sql
--
-- It stops at the first line that is still to be filled in. Running it again
-- changes nothing. Table by table: rights know no name patterns for tables.
-- 'localhost' is for creditapi on the database's own host. For another one, put
-- its address there, and 127.0.0.1 where the server runs with skip_name_resolve.

-- All but migrate and a2billing convert work as this one:
CREATE USER IF NOT EXISTS 'creditapi'@'localhost' IDENTIFIED BY <password of creditapi>;
-- migrate makes our tables as this one. Lock it between upgrades, if you like:
CREATE USER IF NOT EXISTS 'adcredit_owner'@'localhost' IDENTIFIED BY <password of adcredit_owner>;

-- A2Billing's tables: of an account nothing can be changed but its credit.
GRANT SELECT, UPDATE (credit) ON cc_card TO 'creditapi'@'localhost';
GRANT SELECT ON cc_callerid TO 'creditapi'@'localhost';
GRANT SELECT ON cc_config TO 'creditapi'@'localhost';
GRANT SELECT ON cc_currencies TO 'creditapi'@'localhost';
GRANT SELECT ON cc_logpayment TO 'creditapi'@'localhost';
GRANT SELECT, INSERT ON cc_logrefill TO 'creditapi'@'localhost';

-- Our own, for their owner. It sees which engine the accounts are kept by.
GRANT SELECT ON cc_card TO 'adcredit_owner'@'localhost';
GRANT SELECT ON cc_logrefill TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_schema TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_schema_lock TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_campaign TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_ad TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_budget TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_cap TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_listen TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_attention TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_icid TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_ledger TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_epoch TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_settlement TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_key TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_refusal TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_caller TO 'adcredit_owner'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON adcredit_node TO 'adcredit_owner'@'localhost';

-- The same for creditapi. Rights on a table that does not exist yet can be given
-- together with CREATE alone, which is taken away again below. What is deleted are
-- tallies of past days and charging identities, by purge: they hold no money.
GRANT CREATE, SELECT ON adcredit_schema TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT, UPDATE ON adcredit_campaign TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT ON adcredit_ad TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT, UPDATE ON adcredit_budget TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON adcredit_cap TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT, UPDATE ON adcredit_listen TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT ON adcredit_attention TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT, DELETE ON adcredit_icid TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT, UPDATE ON adcredit_ledger TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT, UPDATE ON adcredit_epoch TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT, UPDATE ON adcredit_key TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT ON adcredit_settlement TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT, UPDATE ON adcredit_refusal TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON adcredit_caller TO 'creditapi'@'localhost';
GRANT CREATE, SELECT, INSERT, UPDATE ON adcredit_node TO 'creditapi'@'localhost';

REVOKE CREATE ON adcredit_schema FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_campaign FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_ad FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_budget FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_cap FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_listen FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_attention FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_icid FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_ledger FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_epoch FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_settlement FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_key FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_refusal FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_caller FROM 'creditapi'@'localhost';
REVOKE CREATE ON adcredit_node FROM 'creditapi'@'localhost';
