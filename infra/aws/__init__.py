"""The system on AWS: what stands beside template.yaml (docs/aws.md)."""
