"""docker-compose.yml for real: built, started, used and started again, by Docker or by podman."""
