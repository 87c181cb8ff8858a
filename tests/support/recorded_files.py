"""A file system in memory that records what is asked of it, and what a power cut may leave of that.

The model is that of Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014), at its weakest:
a write counts only after `sync` of its file, a name only after `sync_folder` of its folder, and
whatever was not synced may have happened or not, in part, and in any order.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Op:
    """One recorded operation."""

    kind: str
    path: str
    offset: int = 0
    data: bytes = b""
    other: str = ""


@dataclass
class MemoryFiles:
    """`device_agent.slots.files.Files` in memory; inodes apart from names, as on a disk."""

    names_to_inodes: dict[str, int] = field(default_factory=dict)
    contents: dict[int, bytearray] = field(default_factory=dict)
    log: list[Op] = field(default_factory=list)
    free: int | None = None
    """Bytes left on the disk; None: as many as needed."""

    def read(self, path: str) -> bytes | None:
        inode = self.names_to_inodes.get(path)
        return None if inode is None else bytes(self.contents[inode])

    def write(self, path: str, offset: int, data: bytes) -> None:
        from device_agent.errors import DiskFullError

        size = len(self.contents[self.names_to_inodes[path]]) if path in self.names_to_inodes else 0
        grows = max(0, offset + len(data) - size)
        if self.free is not None:
            if grows > self.free:
                raise DiskFullError(path, grows)
            self.free -= grows
        self._do(Op("write", path, offset, bytes(data)))

    def sync(self, path: str) -> None:
        assert path in self.names_to_inodes, f"sync of {path}, which does not exist"
        self._do(Op("sync", path))

    def sync_folder(self, path: str) -> None:
        self._do(Op("sync_folder", path))

    def replace(self, source: str, target: str) -> None:
        assert source in self.names_to_inodes, f"{source} does not exist"
        self._do(Op("replace", source, other=target))

    def remove(self, path: str) -> None:
        if path in self.names_to_inodes:
            if self.free is not None:
                self.free += len(self.contents[self.names_to_inodes[path]])
            self._do(Op("remove", path))

    def make_folder(self, path: str) -> None:
        self.log.append(Op("folder", path))

    def names(self, path: str) -> list[str]:
        prefix = f"{path}/" if path else ""
        return sorted({p[len(prefix) :].split("/")[0] for p in self.names_to_inodes if p.startswith(prefix)})

    def _do(self, op: Op) -> None:
        self.log.append(op)
        apply(op, self.names_to_inodes, self.contents)


def apply(op: Op, names: dict[str, int], contents: dict[int, bytearray]) -> None:
    """Carry out one operation."""
    if op.kind == "write":
        inode = names.get(op.path)
        if inode is None:
            inode = names[op.path] = len(contents) + 1
            contents[inode] = bytearray()
        _write(contents[inode], op)
    elif op.kind == "replace":
        names[op.other] = names.pop(op.path)
    elif op.kind == "remove":
        del names[op.path]


def _write(content: bytearray, op: Op) -> None:
    if len(content) < op.offset:
        content.extend(bytes(op.offset - len(content)))
    content[op.offset : op.offset + len(op.data)] = op.data


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


@dataclass(frozen=True)
class _Pending:
    """An effect that no sync has made durable yet."""

    kind: str
    """`data` or `name`."""
    key: str
    """The folder of a name."""
    inode: int
    op: Op
    creates: bool = False


class _Disk:
    """Durable state and pending effects after a prefix of operations."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.contents: dict[int, bytearray] = {}
        self.pending: list[_Pending] = []
        self._live: dict[str, int] = {}
        self._next = 1

    def take(self, op: Op) -> None:
        if op.kind == "write":
            creates = op.path not in self._live
            if creates:
                self._live[op.path] = self._next
                self.contents[self._next] = bytearray()
                self.pending.append(_Pending("name", _folder(op.path), self._next, op, creates=True))
                self._next += 1
            self.pending.append(_Pending("data", "", self._live[op.path], op))
        elif op.kind == "replace":
            inode = self._live.pop(op.path)
            self._live[op.other] = inode
            self.pending.append(_Pending("name", _folder(op.other), inode, op))
        elif op.kind == "remove":
            inode = self._live.pop(op.path)
            self.pending.append(_Pending("name", _folder(op.path), inode, op))
        elif op.kind == "sync":
            inode = self._live[op.path]
            self._settle(lambda p: p.kind == "data" and p.inode == inode)
        elif op.kind == "sync_folder":
            self._settle(lambda p: p.kind == "name" and p.key == op.path)

    def _settle(self, durable) -> None:
        for pending in self.pending:
            if durable(pending):
                _happen(pending, self.names, self.contents)
        self.pending = [pending for pending in self.pending if not durable(pending)]

    def after(self, happened: Sequence[_Pending]) -> MemoryFiles:
        """The disk when these of the pending effects, in this order, have happened."""
        names = dict(self.names)
        contents = {inode: bytearray(content) for inode, content in self.contents.items()}
        for pending in happened:
            _happen(pending, names, contents)
        return MemoryFiles(names, contents)


def _happen(pending: _Pending, names: dict[str, int], contents: dict[int, bytearray]) -> None:
    op = pending.op
    if pending.kind == "data":
        _write(contents[pending.inode], op)
    elif pending.creates:
        names[op.path] = pending.inode
    elif op.kind == "replace":
        if names.get(op.path) == pending.inode:
            del names[op.path]
        names[op.other] = pending.inode
    elif names.get(op.path) == pending.inode:
        del names[op.path]


def crashes(log: Sequence[Op], seed: int, samples: int) -> Iterator[tuple[str, MemoryFiles]]:
    """What the disk may hold after a power cut at every point of a recording.

    At each point: all pending effects, none, each one alone, all but each one, data as zeros (a file
    that has grown before its bytes came), the last write torn in three places, and `samples`
    random subsets in random order.

    Yields:
        A description, and the disk.
    """
    generator = random.Random(seed)  # noqa: S311 - to be repeatable
    disk = _Disk()
    for point in range(len(log) + 1):
        if point:
            disk.take(log[point - 1])
        pending = disk.pending
        yield f"{point}: everything", disk.after(pending)
        if not pending:
            continue
        yield f"{point}: nothing pending", disk.after([])
        for number in range(len(pending)):
            yield f"{point}: only {number}", disk.after([pending[number]])
            if len(pending) > 1:
                yield f"{point}: all but {number}", disk.after(pending[:number] + pending[number + 1 :])
        yield f"{point}: data as zeros", disk.after([_altered(p, bytes(len(p.op.data))) for p in pending])
        last = pending[-1]
        if last.kind == "data":
            for cut in {1, len(last.op.data) // 2, len(last.op.data) - 1}:
                yield (
                    f"{point}: torn at {cut}",
                    disk.after([*pending[:-1], _altered(last, last.op.data[:cut])]),
                )
        for sample in range(samples):
            chosen = [p for p in pending if generator.random() < 0.5]
            generator.shuffle(chosen)
            yield f"{point}: sample {sample}", disk.after(chosen)


def _altered(pending: _Pending, data: bytes) -> _Pending:
    if pending.kind != "data":
        return pending
    op = pending.op
    return _Pending("data", "", pending.inode, Op("write", op.path, op.offset, data))
