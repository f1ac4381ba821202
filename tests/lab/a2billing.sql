-- The tables of an A2Billing 2.3.0 database that adcredit reads, writes or must
-- live beside. Column names, types, defaults and engines are A2Billing's own, so
-- that a statement that works here works there; layout and words are ours.
-- Load it with sql_mode='' as A2Billing itself must be: under NO_ZERO_DATE its
-- default dates are refused.

SET NAMES utf8mb3;

-- Accounts -------------------------------------------------------------------

CREATE TABLE cc_card (
  id                  bigint        NOT NULL AUTO_INCREMENT,
  creationdate        timestamp     NOT NULL DEFAULT current_timestamp(),
  firstusedate        timestamp     NOT NULL DEFAULT '0000-00-00 00:00:00',
  expirationdate      timestamp     NOT NULL DEFAULT '0000-00-00 00:00:00',
  enableexpire        int           DEFAULT 0,
  expiredays          int           DEFAULT 0,
  username            varchar(50)   NOT NULL,
  useralias           varchar(50)   NOT NULL,
  uipass              varchar(50)   NOT NULL,
  credit              decimal(15,5) NOT NULL DEFAULT 0.00000,
  tariff              int           DEFAULT 0,
  id_didgroup         int           DEFAULT 0,
  activated           char(1)       NOT NULL DEFAULT 'f',
  status              int           NOT NULL DEFAULT 1,
  lastname            varchar(50)   NOT NULL,
  firstname           varchar(50)   NOT NULL,
  address             varchar(100)  NOT NULL,
  city                varchar(40)   NOT NULL,
  state               varchar(40)   NOT NULL,
  country             varchar(40)   NOT NULL,
  zipcode             varchar(20)   NOT NULL,
  phone               varchar(20)   NOT NULL,
  email               varchar(70)   NOT NULL,
  fax                 varchar(20)   NOT NULL,
  inuse               int           DEFAULT 0,
  simultaccess        int           DEFAULT 0,
  currency            char(3)       DEFAULT 'USD',
  lastuse             timestamp     NOT NULL DEFAULT '0000-00-00 00:00:00',
  nbused              int           DEFAULT 0,
  typepaid            int           DEFAULT 0,
  creditlimit         int           DEFAULT 0,
  voipcall            int           DEFAULT 0,
  sip_buddy           int           DEFAULT 0,
  iax_buddy           int           DEFAULT 0,
  language            char(5)       DEFAULT 'en',
  redial              varchar(50)   NOT NULL,
  runservice          int           DEFAULT 0,
  nbservice           int           DEFAULT 0,
  id_campaign         int           DEFAULT 0,
  num_trials_done     bigint        DEFAULT 0,
  vat                 float         NOT NULL DEFAULT 0,
  servicelastrun      timestamp     NOT NULL DEFAULT '0000-00-00 00:00:00',
  initialbalance      decimal(15,5) NOT NULL DEFAULT 0.00000,
  invoiceday          int           DEFAULT 1,
  autorefill          int           DEFAULT 0,
  loginkey            varchar(40)   NOT NULL,
  mac_addr            char(17)      NOT NULL DEFAULT '00-00-00-00-00-00',
  id_timezone         int           DEFAULT 0,
  tag                 varchar(50)   NOT NULL,
  voicemail_permitted int           NOT NULL DEFAULT 0,
  voicemail_activated smallint      NOT NULL DEFAULT 0,
  last_notification   timestamp     NULL DEFAULT NULL,
  email_notification  varchar(70)   NOT NULL,
  notify_email        smallint      NOT NULL DEFAULT 0,
  credit_notification int           NOT NULL DEFAULT -1,
  id_group            int           NOT NULL DEFAULT 1,
  company_name        varchar(50)   NOT NULL,
  company_website     varchar(60)   NOT NULL,
  vat_rn              varchar(40)   DEFAULT NULL,
  traffic             bigint        DEFAULT NULL,
  traffic_target      varchar(300)  NOT NULL,
  discount            decimal(5,2)  NOT NULL DEFAULT 0.00,
  restriction         tinyint       NOT NULL DEFAULT 0,
  id_seria            int           DEFAULT NULL,
  serial              bigint        DEFAULT NULL,
  block               tinyint       NOT NULL DEFAULT 0,
  lock_pin            varchar(15)   DEFAULT NULL,
  lock_date           timestamp     NULL DEFAULT NULL,
  max_concurrent      int           NOT NULL DEFAULT 10,
  PRIMARY KEY (id),
  UNIQUE KEY cons_cc_card_username (username),
  UNIQUE KEY cons_cc_card_useralias (useralias),
  KEY creationdate (creationdate),
  KEY username (username)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

CREATE TABLE cc_card_seria (
  id          int        NOT NULL AUTO_INCREMENT,
  name        char(30)   NOT NULL,
  description mediumtext,
  value       bigint     NOT NULL DEFAULT 0,
  PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

CREATE TABLE cc_card_group (
  id           int          NOT NULL AUTO_INCREMENT,
  name         varchar(50)  DEFAULT NULL,
  description  varchar(400) DEFAULT NULL,
  users_perms  int          NOT NULL DEFAULT 0,
  id_agent     int          DEFAULT NULL,
  provisioning varchar(200) DEFAULT NULL,
  PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

CREATE TABLE cc_callerid (
  id         bigint       NOT NULL AUTO_INCREMENT,
  cid        varchar(100) NOT NULL,
  id_cc_card bigint       NOT NULL,
  activated  char(1)      NOT NULL DEFAULT 't',
  PRIMARY KEY (id),
  UNIQUE KEY cons_cc_callerid_cid (cid)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

-- A card of a series takes the next number of it. The number travels through
-- the session variable @serial, which a SELECT without a row leaves as it was:
-- on a connection that saved a card of a series before, every later change of a
-- card without one writes that number into it.
CREATE TRIGGER cc_card_serial_set BEFORE INSERT ON cc_card FOR EACH ROW
BEGIN
  UPDATE cc_card_seria SET value = value + 1 WHERE id = NEW.id_seria;
  SELECT value INTO @serial FROM cc_card_seria WHERE id = NEW.id_seria;
  SET NEW.serial = @serial;
END;

CREATE TRIGGER cc_card_serial_update BEFORE UPDATE ON cc_card FOR EACH ROW
BEGIN
  IF OLD.id_seria IS NULL OR OLD.id_seria <> NEW.id_seria THEN
    UPDATE cc_card_seria SET value = value + 1 WHERE id = NEW.id_seria;
    SELECT value INTO @serial FROM cc_card_seria WHERE id = NEW.id_seria;
    SET NEW.serial = @serial;
  END IF;
END;

-- Money and calls --------------------------------------------------------------

CREATE TABLE cc_logrefill (
  id            bigint        NOT NULL AUTO_INCREMENT,
  date          timestamp     NOT NULL DEFAULT current_timestamp(),
  credit        decimal(15,5) NOT NULL,
  card_id       bigint        NOT NULL,
  description   mediumtext,
  refill_type   tinyint       NOT NULL DEFAULT 0,
  added_invoice tinyint       NOT NULL DEFAULT 0,
  agent_id      bigint        DEFAULT NULL,
  PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

CREATE TABLE cc_logpayment (
  id               int           NOT NULL AUTO_INCREMENT,
  date             timestamp     NOT NULL DEFAULT current_timestamp(),
  payment          decimal(15,5) NOT NULL,
  card_id          bigint        NOT NULL,
  id_logrefill     bigint        DEFAULT NULL,
  description      mediumtext,
  added_refill     smallint      NOT NULL DEFAULT 0,
  payment_type     tinyint       NOT NULL DEFAULT 0,
  added_commission tinyint       NOT NULL DEFAULT 0,
  agent_id         bigint        DEFAULT NULL,
  PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

CREATE TABLE cc_call (
  id                    bigint        NOT NULL AUTO_INCREMENT,
  sessionid             varchar(40)   NOT NULL,
  uniqueid              varchar(30)   NOT NULL,
  card_id               bigint        NOT NULL,
  nasipaddress          varchar(30)   NOT NULL,
  starttime             timestamp     NOT NULL DEFAULT current_timestamp(),
  stoptime              timestamp     NOT NULL DEFAULT '0000-00-00 00:00:00',
  sessiontime           int           DEFAULT NULL,
  calledstation         varchar(100)  NOT NULL,
  sessionbill           float         DEFAULT NULL,
  id_tariffgroup        int           DEFAULT NULL,
  id_tariffplan         int           DEFAULT NULL,
  id_ratecard           int           DEFAULT NULL,
  id_trunk              int           DEFAULT NULL,
  sipiax                int           DEFAULT 0,
  src                   varchar(40)   NOT NULL,
  id_did                int           DEFAULT NULL,
  buycost               decimal(15,5) DEFAULT 0.00000,
  id_card_package_offer int           DEFAULT 0,
  real_sessiontime      int           DEFAULT NULL,
  dnid                  varchar(40)   NOT NULL,
  terminatecauseid      int           DEFAULT 1,
  destination           int           DEFAULT 0,
  a2b_custom1           varchar(20)   DEFAULT NULL,
  a2b_custom2           varchar(20)   DEFAULT NULL,
  PRIMARY KEY (id),
  KEY starttime (starttime),
  KEY calledstation (calledstation),
  KEY terminatecauseid (terminatecauseid)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

-- Settings -----------------------------------------------------------------------

CREATE TABLE cc_config (
  id                 int          NOT NULL AUTO_INCREMENT,
  config_title       varchar(100) DEFAULT NULL,
  config_key         varchar(100) DEFAULT NULL,
  config_value       varchar(200) DEFAULT NULL,
  config_description varchar(500) DEFAULT NULL,
  config_valuetype   int          NOT NULL DEFAULT 0,
  config_listvalues  varchar(100) DEFAULT NULL,
  config_group_title varchar(64)  NOT NULL,
  PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

CREATE TABLE cc_currencies (
  id           smallint unsigned      NOT NULL AUTO_INCREMENT,
  currency     char(3)                NOT NULL DEFAULT '',
  name         varchar(30)            NOT NULL DEFAULT '',
  value        decimal(12,5) unsigned NOT NULL DEFAULT 0.00000,
  lastupdate   timestamp              NOT NULL DEFAULT current_timestamp(),
  basecurrency char(3)                NOT NULL DEFAULT 'USD',
  PRIMARY KEY (id),
  UNIQUE KEY cons_cc_currencies_currency (currency)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

CREATE TABLE cc_version (
  version varchar(30) NOT NULL
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

-- Rates ----------------------------------------------------------------------------

CREATE TABLE cc_tariffgroup (
  id                  int         NOT NULL AUTO_INCREMENT,
  iduser              int         NOT NULL DEFAULT 0,
  idtariffplan        int         NOT NULL DEFAULT 0,
  tariffgroupname     varchar(50) NOT NULL,
  lcrtype             int         NOT NULL DEFAULT 0,
  creationdate        timestamp   NOT NULL DEFAULT current_timestamp(),
  removeinterprefix   int         NOT NULL DEFAULT 0,
  id_cc_package_offer bigint      NOT NULL DEFAULT -1,
  PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

CREATE TABLE cc_tariffgroup_plan (
  idtariffgroup int NOT NULL,
  idtariffplan  int NOT NULL,
  PRIMARY KEY (idtariffgroup, idtariffplan)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

CREATE TABLE cc_tariffplan (
  id                 int         NOT NULL AUTO_INCREMENT,
  iduser             int         NOT NULL DEFAULT 0,
  tariffname         varchar(50) NOT NULL,
  creationdate       timestamp   NOT NULL DEFAULT current_timestamp(),
  startingdate       timestamp   NOT NULL DEFAULT '0000-00-00 00:00:00',
  expirationdate     timestamp   NOT NULL DEFAULT '0000-00-00 00:00:00',
  description        mediumtext,
  id_trunk           int         DEFAULT 0,
  secondusedreal     int         DEFAULT 0,
  secondusedcarrier  int         DEFAULT 0,
  secondusedratecard int         DEFAULT 0,
  reftariffplan      int         DEFAULT 0,
  idowner            int         DEFAULT 0,
  dnidprefix         varchar(30) NOT NULL DEFAULT 'all',
  calleridprefix     varchar(30) NOT NULL DEFAULT 'all',
  PRIMARY KEY (id),
  UNIQUE KEY cons_cc_tariffplan_iduser_tariffname (iduser, tariffname)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

CREATE TABLE cc_ratecard (
  id                           int           NOT NULL AUTO_INCREMENT,
  idtariffplan                 int           NOT NULL DEFAULT 0,
  dialprefix                   char(30)      NOT NULL,
  buyrate                      decimal(15,5) NOT NULL DEFAULT 0.00000,
  buyrateinitblock             int           NOT NULL DEFAULT 0,
  buyrateincrement             int           NOT NULL DEFAULT 0,
  rateinitial                  decimal(15,5) NOT NULL DEFAULT 0.00000,
  initblock                    int           NOT NULL DEFAULT 0,
  billingblock                 int           NOT NULL DEFAULT 0,
  connectcharge                decimal(15,5) NOT NULL DEFAULT 0.00000,
  disconnectcharge             decimal(15,5) NOT NULL DEFAULT 0.00000,
  stepchargea                  decimal(15,5) NOT NULL DEFAULT 0.00000,
  chargea                      decimal(15,5) NOT NULL DEFAULT 0.00000,
  timechargea                  int           NOT NULL DEFAULT 0,
  billingblocka                int           NOT NULL DEFAULT 0,
  stepchargeb                  decimal(15,5) NOT NULL DEFAULT 0.00000,
  chargeb                      decimal(15,5) NOT NULL DEFAULT 0.00000,
  timechargeb                  int           NOT NULL DEFAULT 0,
  billingblockb                int           NOT NULL DEFAULT 0,
  stepchargec                  float         NOT NULL DEFAULT 0,
  chargec                      float         NOT NULL DEFAULT 0,
  timechargec                  int           NOT NULL DEFAULT 0,
  billingblockc                int           NOT NULL DEFAULT 0,
  startdate                    timestamp     NOT NULL DEFAULT current_timestamp(),
  stopdate                     timestamp     NOT NULL DEFAULT '0000-00-00 00:00:00',
  starttime                    smallint      DEFAULT 0,
  endtime                      smallint      DEFAULT 10079,
  id_trunk                     int           DEFAULT -1,
  musiconhold                  char(100)     NOT NULL,
  id_outbound_cidgroup         int           DEFAULT -1,
  rounding_calltime            int           NOT NULL DEFAULT 0,
  rounding_threshold           int           NOT NULL DEFAULT 0,
  additional_block_charge      decimal(15,5) NOT NULL DEFAULT 0.00000,
  additional_block_charge_time int           NOT NULL DEFAULT 0,
  tag                          char(50)      DEFAULT NULL,
  disconnectcharge_after       int           NOT NULL DEFAULT 0,
  is_merged                    int           DEFAULT 0,
  additional_grace             int           NOT NULL DEFAULT 0,
  minimal_cost                 decimal(15,5) NOT NULL DEFAULT 0.00000,
  announce_time_correction     decimal(5,3)  NOT NULL DEFAULT 1.000,
  destination                  bigint        NOT NULL,
  PRIMARY KEY (id),
  KEY ind_cc_ratecard_dialprefix (dialprefix),
  KEY ind_cc_ratecard_idtariffplan (idtariffplan)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;

CREATE TABLE cc_trunk (
  id_trunk           int         NOT NULL AUTO_INCREMENT,
  trunkcode          varchar(50) DEFAULT NULL,
  trunkprefix        char(20)    DEFAULT NULL,
  providertech       char(20)    NOT NULL,
  providerip         char(80)    NOT NULL,
  removeprefix       char(20)    DEFAULT NULL,
  secondusedreal     int         DEFAULT 0,
  secondusedcarrier  int         DEFAULT 0,
  secondusedratecard int         DEFAULT 0,
  creationdate       timestamp   NOT NULL DEFAULT current_timestamp(),
  failover_trunk     int         DEFAULT NULL,
  addparameter       char(120)   DEFAULT NULL,
  id_provider        int         DEFAULT NULL,
  inuse              int         DEFAULT 0,
  maxuse             int         DEFAULT -1,
  status             int         DEFAULT 1,
  if_max_use         int         DEFAULT 0,
  PRIMARY KEY (id_trunk)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;
