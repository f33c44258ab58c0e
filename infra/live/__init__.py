"""Live events for the page: `GET /api/events`, server-sent events read from the outbox and from the ledger of stock."""
