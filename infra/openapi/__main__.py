"""`python -m infra.openapi` (`make openapi`): write all that is made of what stands beside the routes.

The document where the system function's package serves it from, the roles' grants beside the authorizer, the table of roles in docs/.
"""

from infra.openapi import access
from infra.openapi.document import build, deployed_operations, text_of
from infra.stack.instance import PROJECT_DIR

PATH = PROJECT_DIR / "functions" / "system" / "openapi.json"
GRANTS_PATH = PROJECT_DIR / "functions" / "authorizer" / "grants.json"
ROLES_PATH = PROJECT_DIR / "docs" / "roles.md"

if __name__ == "__main__":
    template = PROJECT_DIR / "template.yaml"
    operations = deployed_operations(template)
    made = {PATH: text_of(build(template)), GRANTS_PATH: access.grants_text(operations), ROLES_PATH: access.table_text(operations)}
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(PROJECT_DIR)}")  # noqa: T201
