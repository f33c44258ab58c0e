"""What runs in the containers of docker-compose.yml, and the files their images are made of."""
