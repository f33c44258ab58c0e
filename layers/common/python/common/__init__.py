"""What the seven services share: nouns such as errors, pages, sessions, events and the cache, never their rules."""
