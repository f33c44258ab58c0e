"""The same by Chalice, for `chalice local`."""

from chalice import AuthResponse, Chalice

app = Chalice(app_name="trivial")


@app.authorizer()
def ada(request):
    return AuthResponse(routes=["*"] if request.token == "ada" else [], principal_id="ada", context={"user": "ada"})


@app.route("/plain")
def plain():
    return {}


@app.route("/guarded", authorizer=ada)
def guarded():
    return {}
