#!/usr/bin/perl
# An AGI in Perl: Asterisk::AGI and LWP ask creditapi and set a variable.
#
#   agi.pl URL KEY
use strict;
use warnings;
use Asterisk::AGI;
use LWP::UserAgent;

my ($url, $key) = @ARGV;
my $agi = Asterisk::AGI->new;
my %call = $agi->ReadParse;
my $answer = LWP::UserAgent->new(timeout => 2)->get(
    "$url/v1/accounts/card:$call{accountcode}/credit?destination=$call{extension}",
    Authorization => "Bearer $key");
die $answer->status_line unless $answer->is_success;
my $status = $answer->decoded_content =~ /"sufficient":true/ ? 'SUFFICIENT' : 'TOOLOW';
$agi->set_variable('ADCREDIT_STATUS', $status);
