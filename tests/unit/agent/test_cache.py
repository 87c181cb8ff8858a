import pytest

from device_agent.slots.cache import CompiledCache, host_fingerprint
from tests.support.recorded_files import MemoryFiles

MODULE, CODE, HOST = b"m" * 32, b"machine code" * 100, b"h" * 32


@pytest.fixture
def files() -> MemoryFiles:
    files = MemoryFiles()
    CompiledCache(files, HOST).put(MODULE, CODE)
    return files


def entry(files: MemoryFiles) -> bytearray:
    (name,) = (name for name in files.names_to_inodes if name.startswith("cache/"))
    return files.contents[files.names_to_inodes[name]]


def test_what_was_put_is_found_after_a_restart(files):
    assert CompiledCache(files, HOST).get(MODULE) == CODE


@pytest.mark.parametrize("position", [0, 31, 32, 500])
def test_altered_code_counts_as_absent(files, position):
    entry(files)[position] ^= 1
    assert CompiledCache(files, HOST).get(MODULE) is None


@pytest.mark.parametrize("length", [0, 16, 32, 1000])
def test_torn_code_counts_as_absent(files, length):
    del entry(files)[length:]
    assert CompiledCache(files, HOST).get(MODULE) is None


def test_code_of_another_module_or_host_or_device_is_not_used(files):
    assert CompiledCache(files, HOST).get(b"n" * 32) is None
    assert CompiledCache(files, b"i" * 32).get(MODULE) is None
    names = dict(files.names_to_inodes)
    (old,) = (name for name in names if name.startswith("cache/"))
    files.names_to_inodes[old.replace(MODULE.hex(), (b"n" * 32).hex())] = names[old]
    assert CompiledCache(files, HOST).get(b"n" * 32) is None
    files.remove("cache.key")
    assert CompiledCache(files, HOST).get(MODULE) is None


def test_a_full_disk_costs_only_the_entry():
    files = MemoryFiles()
    cache = CompiledCache(files, HOST)
    files.free = 10
    cache.put(MODULE, CODE)
    assert cache.get(MODULE) is None


def test_code_that_no_slot_needs_is_removed(files):
    cache = CompiledCache(files, HOST)
    cache.put(b"n" * 32, CODE)
    cache.retain([MODULE])
    assert cache.get(MODULE) == CODE
    assert cache.get(b"n" * 32) is None


def test_the_fingerprint_knows_the_cpus_features():
    assert host_fingerprint("flags : sse2 avx2\n") != host_fingerprint("flags : sse2\n")
    assert host_fingerprint("flags : sse2\nbogomips : 1\n") == host_fingerprint(
        "flags : sse2\nbogomips : 2\n"
    )
