#!/usr/bin/php
<?php
// An AGI in A2Billing's manner: PHP starts for the call, connects to the database,
// reads the card and sets a variable. A2Billing itself does several times as much.
//
//   a2billing.php SOCKET DATABASE
$call = [];
while (($line = trim(fgets(STDIN))) !== '') {
    [$name, $value] = explode(': ', $line, 2) + [1 => ''];
    $call[$name] = $value;
}
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$database = new mysqli('localhost', 'root', '', $argv[2], 0, $argv[1]);
$read = $database->prepare(
    'SELECT credit, activated, status, typepaid, creditlimit, inuse, currency, language FROM cc_card WHERE username = ?'
);
$read->bind_param('s', $call['agi_accountcode']);
$read->execute();
$card = $read->get_result()->fetch_assoc();
$status = $card && $card['status'] == 1 && $card['credit'] >= 1 ? 'SUFFICIENT' : 'TOOLOW';
fwrite(STDOUT, "SET VARIABLE ADCREDIT_STATUS \"$status\"\n");
fgets(STDIN);
