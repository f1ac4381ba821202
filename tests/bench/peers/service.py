"""The paper's service: Flask-RESTful over A2Billing's table, two resources.

Started by gunicorn, which gives each of its threads a connection that stays:
the paper's own opened one for each request. SOCKET and DATABASE name the server.
"""
import os
import threading

import MySQLdb
from flask import Flask
from flask_restful import Api, Resource, abort, reqparse

local = threading.local()


def cursor():
    if not hasattr(local, "connection"):
        local.connection = MySQLdb.connect(
            unix_socket=os.environ["SOCKET"], user="root", db=os.environ["DATABASE"])
        local.connection.autocommit(True)
    return local.connection.cursor()


class Credit(Resource):
    """What an account has."""

    def get(self, card):
        rows = cursor()
        rows.execute("SELECT credit FROM cc_card WHERE username = %s", (card,))
        row = rows.fetchone()
        if row is None:
            abort(404)
        return {"card": card, "credit": str(row[0])}


class Refill(Resource):
    """Adds to what an account has."""

    amount = reqparse.RequestParser()
    amount.add_argument("amount", required=True)

    def post(self, card):
        amount = self.amount.parse_args()["amount"]
        rows = cursor()
        if rows.execute("UPDATE cc_card SET credit = credit + %s WHERE username = %s", (amount, card)) != 1:
            abort(404)
        return {"card": card, "added": amount}


app = Flask(__name__)
api = Api(app)
api.add_resource(Credit, "/credit/<string:card>")
api.add_resource(Refill, "/credit/<string:card>/refill")
