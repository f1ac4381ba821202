#!/usr/bin/python3
"""An AGI in Python: asks creditapi with requests and sets a variable.

  agi.py URL KEY
"""
import sys

import requests

call = {}
for line in iter(sys.stdin.readline, "\n"):
    name, _, value = line.rstrip("\n").partition(": ")
    call[name] = value
answer = requests.get(
    f"{sys.argv[1]}/v1/accounts/card:{call['agi_accountcode']}/credit",
    params={"destination": call["agi_extension"]},
    headers={"Authorization": "Bearer " + sys.argv[2]},
    timeout=2,
)
answer.raise_for_status()
status = "SUFFICIENT" if answer.json()["sufficient"] else "TOOLOW"
print(f'SET VARIABLE ADCREDIT_STATUS "{status}"', flush=True)
sys.stdin.readline()
