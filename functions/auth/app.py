"""The routes of users."""

from typing import Any

from chalice import Response

from auth import service
from auth.schemas import LoginIn, RegistrationIn, Session, UserOut, Validation
from common.health import ServiceHealth, service_health
from common.http import ServiceApp, json_response

app = ServiceApp("auth")


@app.route("/api/auth/register", methods=["POST"], public=True, body=RegistrationIn, creates=UserOut)
def register() -> Response:
    new = app.body(RegistrationIn)
    password_hash = service.hash_password(new.password.get_secret_value())
    # What an Idempotency-Key is bound to is kept as a plain digest, which a password must never be.
    return app.create(lambda session: service.register(session, new, password_hash), fingerprint=new.model_dump(exclude={"password"}))


@app.route("/api/auth/login", methods=["POST"], public=True, body=LoginIn, answers=Session)
def login() -> dict[str, Any]:
    return service.login(app.body(LoginIn))


@app.route("/api/auth/validate", methods=["POST"], answers=Validation)
def validate() -> dict[str, Any]:
    app.no_body()
    identity = app.identity
    return {"valid": True, "user_id": identity.user_id, "username": identity.username}


@app.route("/api/auth/me", methods=["GET"], answers=UserOut)
def me() -> dict[str, Any]:
    return service.get_user(app.identity.user_id)


@app.route("/health", methods=["GET"], public=True, answers=ServiceHealth)
@app.route("/api/auth/health", methods=["GET"], public=True, answers=ServiceHealth)
def health() -> Response:
    status, document = service_health("auth")
    return json_response(document, status=status)
