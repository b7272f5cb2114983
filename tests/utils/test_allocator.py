"""What a process frees and fetches again is not given back to the system in between."""

import platform
import subprocess
import sys

import pytest

# pages that are mapped while 25 times the same 64 MB are fetched, written to and freed
COUNT = """
import resource
{before}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"1" * 2**26
began = faults()
for _ in range(25):
    b"1" * 2**26
print(faults() - began)
"""
KEEP = "from leaven.utils.allocator import keep_memory, our_program; our_program(); assert keep_memory()"
LIBRARY = "from leaven.utils.allocator import keep_memory; assert not keep_memory()"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_pages_are_mapped_once():
    given_back, of_a_library, kept = (
        int(subprocess.run([sys.executable, "-c", COUNT.format(before=before)], capture_output=True, check=True).stdout)
        for before in ("", LIBRARY, KEEP)
    )
    assert given_back > 300_000  # 16,384 pages of 4 kB, 25 times
    assert of_a_library > 300_000  # somebody's program is left as it is
    assert kept < 20_000


def test_where_there_is_no_glibc_nothing_happens(monkeypatch):
    from leaven.utils.allocator import keep_memory

    monkeypatch.setattr("leaven.utils.allocator._ours", True)
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("looked for it"))
    assert keep_memory() is False
