"""The same by Flask, with no emulation of anything: a ceiling."""

from flask import Flask, Response, request

app = Flask("trivial")


@app.get("/plain")
def plain():
    return Response("{}", mimetype="application/json")


@app.get("/guarded")
def guarded():
    if request.headers.get("Authorization") != "ada":
        return Response('{"message":"Unauthorized"}', 401, mimetype="application/json")
    return Response("{}", mimetype="application/json")
