"""What a process gives up for good, with all that it starts: other files than it is given, and any hold on other processes.

Landlock asks for no privileges and cannot be taken back: https://docs.kernel.org/userspace-api/landlock.html. A process that is confined
can neither signal nor trace one that is not confined with it; without capabilities, by which root looks past that
(`may_access_mm` in Linux's kernel/fork.c), it reads neither the environment nor the memory of any other.
`bootstrap` loads this file by its path: it imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The same numbers on every architecture that has been added to Linux since 2002.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_OF_ABI = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38
_CAPABILITY_VERSION = 0x20080522
_OVERRIDE_PERMISSIONS = 1 << 1
"""CAP_DAC_OVERRIDE: whoever starts all this by sudo has it below a home directory that is closed to others."""

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIRECTORY = (1 << bit for bit in range(4))
_TRUNCATE, _CONTROL_DEVICE = 1 << 14, 1 << 15
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _CONTROL_DEVICE
_READ = _EXECUTE | _READ_FILE | _READ_DIRECTORY
_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights to files there are from each version on."""
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/proc", "/sys"),
    *("/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/ca-certificates.conf", "/etc/crypto-policies", "/etc/gnutls", "/etc/ldap"),
    *("/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/alternatives", "/etc/os-release"),
    *("/etc/passwd", "/etc/group", "/etc/hostname", "/etc/machine-id", "/etc/localtime", "/etc/timezone", "/etc/default/locale"),
    *("/etc/locale.alias", "/etc/locale.conf", "/etc/mime.types", "/etc/magic", "/etc/terminfo", "/etc/fonts", "/etc/ImageMagick-6"),
    *("/etc/odbc.ini", "/etc/odbcinst.ini", "/etc/krb5.conf", "/etc/debian_version", "/etc/lsb-release", "/etc/profile.d"),
)
"""What programs and their libraries read of any machine, and nothing in it is anybody's."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm")  # noqa: S108


def supported() -> int:
    """The version of Landlock that this kernel has; 0 when it has none, or it is switched off."""
    version: int = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION_OF_ABI))
    return max(version, 0)


def confine(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Leave this process, which has one thread, the system's files and these, with all below them; those that are not there do not matter.

    Raises OSError.
    """
    abi = supported()
    rights = (1 << max(count for version, count in _RIGHTS_BY_ABI.items() if version <= abi)) - 1
    libc = ctypes.CDLL(None, use_errno=True)
    scoped = _ABSTRACT_SOCKETS | _SIGNALS if abi >= 6 else 0
    attributes = struct.pack("=QQQ", rights, 0, scoped)[: 24 if scoped else 8]
    ruleset = _checked(libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)))
    try:
        for path in {*SYSTEM, *_interpreter(), *readable}:
            _allow(libc, ruleset, path, _READ & rights)
        for path in {*DEVICES, *writable}:
            _allow(libc, ruleset, path, rights)
        _checked(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint(0)))
        _drop_capabilities(libc)
    finally:
        os.close(ruleset)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    held = ctypes.create_string_buffer(24)
    _checked(libc.capget(header, held))
    effective, permitted, _, _, _, _ = struct.unpack("=6I", held.raw)
    kept = struct.pack("=6I", effective & _OVERRIDE_PERMISSIONS, permitted & _OVERRIDE_PERMISSIONS, 0, 0, 0, 0)
    _checked(libc.capset(header, kept))


def _interpreter() -> Iterator[str]:
    yield sys.base_prefix
    yield sys.base_exec_prefix
    # Where a link stands for the file, as /etc/resolv.conf does, both the link's directory and the file's are asked.
    for path in ("/etc/resolv.conf", "/etc/localtime", sys.executable):
        yield os.path.realpath(path)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_A_FILE
            rule = struct.pack("=Qi", rights, descriptor)
            _checked(libc.syscall(_ADD_RULE, ruleset, ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint(0)))
        finally:
            os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result
