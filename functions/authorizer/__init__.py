"""The edge's authorizer: who gets past the gateway."""
