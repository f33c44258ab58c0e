"""The routes of users."""

from typing import Any

from chalice import Response

from auth import service
from auth.schemas import LoginIn, PasswordChange, RegistrationIn, Session, UserOut, UserQuery, UserStanding, Validation
from common.health import ServiceHealth, service_health
from common.http import ServiceApp, json_response, path_id
from common.identity import Role
from common.operations import Listing

app = ServiceApp("auth")


@app.route("/api/auth/register", methods=["POST"], public=True, body=RegistrationIn, creates=UserOut, refuses=[409])
def register() -> Response:
    new = app.body(RegistrationIn)
    service.REGISTRATIONS.take(app.address)
    password_hash = service.hash_password(new.password.get_secret_value())
    # What an Idempotency-Key is bound to is kept as a plain digest, which a password must never be.
    fingerprint = new.model_dump(exclude={"password"})
    with service.few_found_taken(app.address):
        return app.create(lambda session: service.register(session, new, password_hash), fingerprint=fingerprint)


@app.route("/api/auth/login", methods=["POST"], public=True, body=LoginIn, answers=Session, refuses=[401, 403])
def login() -> dict[str, Any]:
    return service.login(app.body(LoginIn), app.address)


@app.route("/api/auth/logout", methods=["POST"], role=Role.VIEWER)
def logout() -> None:
    """The token that this is asked with no longer counts, within half a minute."""
    app.no_body()
    app.change(lambda session: service.logout(session, app.identity))


@app.route("/api/auth/password", methods=["POST"], role=Role.VIEWER, body=PasswordChange, answers=Session)
def change_password() -> dict[str, Any]:
    """Every other token of the user no longer counts, within half a minute."""
    return service.change_password(app.identity.user_id, app.body(PasswordChange))


@app.route("/api/auth/validate", methods=["POST"], role=Role.VIEWER, answers=Validation)
def validate() -> dict[str, Any]:
    app.no_body()
    identity = app.identity
    return {"valid": True, "user_id": identity.user_id, "username": identity.username, "role": identity.role}


@app.route("/api/auth/me", methods=["GET"], answers=UserOut)
def me() -> dict[str, Any]:
    return service.get_user(app.identity.user_id)


@app.route("/api/auth/users", methods=["GET"], role=Role.ADMIN, query=UserQuery, answers=Listing("users", UserOut))
def list_users() -> dict[str, Any]:
    return service.list_users(app.query(UserQuery))


@app.route("/api/auth/users/{user_id}", methods=["PUT"], role=Role.ADMIN, body=UserStanding, answers=UserOut, refuses=[409])
def change_user(user_id: str) -> dict[str, Any]:
    """What a user may do from now on: it takes effect within half a minute."""
    standing = app.body(UserStanding)
    return app.change(lambda session: service.change_user(session, path_id("user_id", user_id), standing, app.identity))


@app.route("/health", methods=["GET"], public=True, answers=ServiceHealth)
@app.route("/api/auth/health", methods=["GET"], public=True, answers=ServiceHealth)
def health() -> Response:
    status, document = service_health("auth")
    return json_response(document, status=status)
