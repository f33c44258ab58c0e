"""The bridge: turns what the outbox holds into invocations of the consumer functions, one supervised process per consumer."""
