-- What a fresh A2Billing holds of the rows that adcredit cares about, one call
-- plan that rates, and the three accounts of the paper's Figure 14.

INSERT INTO cc_version (version) VALUES ('2.3.0');

INSERT INTO cc_card_group (id, name, description, users_perms) VALUES
  (1, 'DEFAULT', 'where new customers go', 129022);

-- Values as shipped. A key may stand in several groups: always ask with both.
INSERT INTO cc_config (config_key, config_value, config_group_title) VALUES
  ('base_currency',                   'usd',   'global'),
  ('interval_len_cardnumber',         '10-15', 'global'),
  ('answer_call',                     '1',     'callback'),
  ('min_credit_2call',                '0',     'agi-conf1'),
  ('dial_balance_reservation',        '0.25',  'agi-conf1'),
  ('answer_call',                     '1',     'agi-conf1'),
  ('asterisk_version',                '1_4',   'agi-conf1'),
  ('cid_enable',                      '0',     'agi-conf1'),
  ('cid_askpincode_ifnot_callerid',   '1',     'agi-conf1'),
  ('use_dnid',                        '0',     'agi-conf1'),
  ('number_try',                      '3',     'agi-conf1'),
  ('say_balance_after_auth',          '1',     'agi-conf1'),
  ('agi_force_currency',              '',      'agi-conf1'),
  ('jump_voucher_if_min_credit',      '0',     'agi-conf1'),
  ('notenoughcredit_cardnumber',      '0',     'agi-conf1');

-- value: the price of one unit in the base currency.
INSERT INTO cc_currencies (currency, name, value, basecurrency) VALUES
  ('USD', 'US Dollar',       1.00000, 'USD'),
  ('EUR', 'Euro',            1.19175, 'USD'),
  ('MXN', 'Mexican Peso',    0.09320, 'USD'),
  ('XOF', 'CFA Franc BCEAO', 0.00182, 'USD');

-- A rate and its plan must end in the future: at their default zero date
-- A2Billing never matches them.
INSERT INTO cc_trunk (id_trunk, trunkcode, providertech, providerip) VALUES
  (1, 'CALLEE', 'PJSIP', 'callee');
INSERT INTO cc_tariffgroup (id, tariffgroupname) VALUES (1, 'RETAIL');
INSERT INTO cc_tariffplan (id, tariffname, id_trunk, startingdate, expirationdate) VALUES
  (1, 'RETAIL', 1, '2020-01-01 00:00:00', '2037-12-31 00:00:00');
INSERT INTO cc_tariffgroup_plan (idtariffgroup, idtariffplan) VALUES (1, 1);
INSERT INTO cc_ratecard (id, idtariffplan, dialprefix, rateinitial, initblock, billingblock,
                         startdate, stopdate, musiconhold, destination) VALUES
  (1, 1, '2', 0.60000, 1, 1, '2020-01-01 00:00:00', '2037-12-31 00:00:00', '', 0);

-- Customers of old: ads are not offered to accounts that were made today.
INSERT INTO cc_card (id, username, useralias, uipass, credit, tariff, activated, status, creationdate) VALUES
  (1, '8987344413', '1000', 'secret1000', 2000.00000, 1, 't', 1, '2020-01-01 00:00:00'),
  (2, '9700203963', '1001', 'secret1001', 1812.08333, 1, 't', 1, '2020-01-01 00:00:00'),
  (3, '3377949903', '1002', 'secret1002', 1999.75000, 1, 't', 1, '2020-01-01 00:00:00');

INSERT INTO cc_callerid (cid, id_cc_card) VALUES
  ('221770001000', 1), ('221770001001', 2), ('221770001002', 3);
