"""A file of real invoice lines, sold again through the gateway: parse, plan, drive, settle, measure."""
