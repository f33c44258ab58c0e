"""The API's OpenAPI document, made of the template's routes and of what stands beside each route in the services."""
