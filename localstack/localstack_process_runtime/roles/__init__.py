"""A function may do what its role's policies allow, and nothing else, of all that LocalStack offers.

Each function's environments get credentials of a session of its execution role (`sessions`). A call signed with them needs permissions
(`permissions`), and is refused, in AWS's words, where the role's policies do not give them (`enforcement`), as they were deployed last
(`cloudformation`). Whoever signs with other keys, as the CLI does and LocalStack's services do among each other, is not a function and is
not asked.
"""

from __future__ import annotations


def install() -> None:
    """Put the check into LocalStack's chain, where a call is parsed and has reached no service yet."""
    from localstack.aws.handlers import run_custom_response_handlers, serve_custom_service_request_handlers  # noqa: PLC0415

    from localstack_process_runtime.roles import cloudformation  # noqa: PLC0415
    from localstack_process_runtime.roles.enforcement import RoleEnforcement  # noqa: PLC0415 (LocalStack's modules load when it runs)
    from localstack_process_runtime.roles.sessions import get_sessions  # noqa: PLC0415

    enforcement = RoleEnforcement(get_sessions())
    serve_custom_service_request_handlers.append(enforcement.check)
    run_custom_response_handlers.append(enforcement.follow)
    cloudformation.install()
