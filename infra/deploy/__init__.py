"""Packaging and deployment of `template.yaml` to the instance's LocalStack."""
