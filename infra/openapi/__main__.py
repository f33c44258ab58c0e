"""`python -m infra.openapi`: write the document where the system function's package serves it from (`make openapi`)."""

from infra.openapi.document import build, text_of
from infra.stack.instance import PROJECT_DIR

PATH = PROJECT_DIR / "functions" / "system" / "openapi.json"

if __name__ == "__main__":
    PATH.write_text(text_of(build(PROJECT_DIR / "template.yaml")), encoding="utf-8")
    print(f"wrote {PATH.relative_to(PROJECT_DIR)}")  # noqa: T201
