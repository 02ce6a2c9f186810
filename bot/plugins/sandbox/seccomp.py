"""A filter of system calls for processes of plug-ins: a program for the kernel, as bytes.

A plug-in is one process with one thread. It makes no other, opens no socket, and reaches neither
the parts of the kernel that most weaknesses were found in, nor memory that nobody counts.
"""

import errno
import platform
import struct

# Of each machine: its number in the kernel's audit, and the numbers of its system calls.
X86_64, AARCH64 = 0xC000003E, 0xC00000B7
# name: (x86_64, aarch64). A machine that does not have one has None.
DENIED: dict[str, tuple[int | None, int | None]] = {
    # more processes and threads
    "clone": (56, 220),
    "fork": (57, None),
    "vfork": (58, None),
    # the network
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept4": (288, 242),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    # memory that no limit counts
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    # parts of the kernel with a long record of weaknesses
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "modify_ldt": (154, None),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # the machine
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "iopl": (172, None),
    "ioperm": (173, None),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "personality": (135, 92),
}
# glibc asks for clone3 first, and takes clone where the kernel does not know it.
CLONE3 = 435
X32 = 0x40000000

# linux/bpf_common.h, linux/seccomp.h
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER_AT, MACHINE_AT = 0, 4


class UnknownMachine(Exception):
    pass


def filter_of(machine: str = "") -> bytes:
    """The filter for this machine. Raise UnknownMachine where the numbers are not known."""
    machine = machine or platform.machine()
    if machine not in ("x86_64", "aarch64"):
        raise UnknownMachine(f"there is no filter of system calls for {machine}")
    column, audit = (0, X86_64) if machine == "x86_64" else (1, AARCH64)
    numbers = [each[column] for each in DENIED.values()]
    return b"".join(
        [
            _step(LOAD, MACHINE_AT),
            _step(EQUAL, audit, skip_if=1),
            _step(RETURN, KILL),
            _step(LOAD, NUMBER_AT),
            # The calls of x32 have numbers of their own.
            *((_step(AT_LEAST, X32, skip_else=1), _step(RETURN, KILL)) if column == 0 else ()),
            _step(EQUAL, CLONE3, skip_else=1),
            _step(RETURN, ERRNO | errno.ENOSYS),
            *(_deny(number) for number in numbers if number is not None),
            _step(RETURN, ALLOW),
        ]
    )


def _deny(number: int) -> bytes:
    return _step(EQUAL, number, skip_else=1) + _step(RETURN, ERRNO | errno.EPERM)


def _step(code: int, value: int, *, skip_if: int = 0, skip_else: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skip_if, skip_else, value)
