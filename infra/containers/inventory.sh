#!/bin/sh
exec python3 -m infra.cli.main "$@"
