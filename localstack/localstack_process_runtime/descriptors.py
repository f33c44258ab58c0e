"""As many open files and connections as LocalStack may have."""

import resource

MOST = 65_536


def allow_many() -> None:
    """Raise the soft limit, which is 1,024 on most machines: each environment takes some five descriptors, each client one more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(MOST, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
